//! Operators beside each other whose order differs from that of other languages.

use rhai::{Position, Token};

/// The places of shifts beside sums, of bit operators beside comparisons, and of powers behind a minus; none of them with
/// parentheses, which would have made it clear.
pub(super) fn unclear(tokens: impl Iterator<Item = (Token, Position)>) -> impl Iterator<Item = Position> {
    let mut reader =
        Reader { groups: vec![None], after_operand: false, in_parameters: false, found: Vec::new() };
    tokens.for_each(|(token, position)| reader.take(&token, position));
    reader.found.into_iter()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Minus,
    Sum,
    Shift,
    Power,
    Bits,
    Comparison,
}

struct Reader {
    /// The last operator of each expression that is open.
    groups: Vec<Option<(Family, Position)>>,
    after_operand: bool,
    in_parameters: bool,
    found: Vec<Position>,
}

impl Reader {
    fn take(&mut self, token: &Token, position: Position) {
        if self.in_parameters {
            self.in_parameters = *token != Token::Pipe;
            return;
        }
        // The bar before the parameters of a closure stands where a value would.
        if *token == Token::Pipe && !self.after_operand {
            self.in_parameters = true;
            self.forget();
            return;
        }
        match token {
            Token::LeftParen
            | Token::LeftBracket
            | Token::LeftBrace
            | Token::MapStart
            | Token::InterpolatedString(_) => {
                self.groups.push(None);
                self.after_operand = false;
            }
            Token::RightParen | Token::RightBracket | Token::RightBrace => {
                if self.groups.len() > 1 {
                    self.groups.pop();
                }
                self.after_operand = true;
                // Behind a block another expression may begin.
                if *token == Token::RightBrace {
                    self.forget();
                }
            }
            // The minus of a number that is written out belongs to the number.
            Token::IntegerConstant(number) if *number < 0 => self.negative(position),
            Token::FloatConstant(number) if number.0.is_sign_negative() => self.negative(position),
            Token::IntegerConstant(_)
            | Token::FloatConstant(_)
            | Token::StringConstant(_)
            | Token::CharConstant(_)
            | Token::Identifier(_)
            | Token::True
            | Token::False
            | Token::Unit => self.after_operand = true,
            Token::Reserved(word) if word.as_str() == "this" => self.after_operand = true,
            Token::Period | Token::Elvis | Token::DoubleColon => self.after_operand = false,
            other => match family(other, self.after_operand) {
                Some(family) => self.operator(family, position),
                None => self.forget(),
            },
        }
    }

    fn negative(&mut self, position: Position) {
        self.operator(Family::Minus, position);
        self.after_operand = true;
    }

    fn operator(&mut self, family: Family, position: Position) {
        self.after_operand = false;
        let Some(last) = self.groups.last_mut() else { return };
        let place = match (last.map(|(before, _)| before), family) {
            (Some(Family::Sum), Family::Shift) | (Some(Family::Comparison), Family::Bits) => Some(position),
            (Some(Family::Minus), Family::Power) => Some(position),
            (Some(Family::Shift), Family::Sum) | (Some(Family::Bits), Family::Comparison) => {
                last.map(|(_, at)| at)
            }
            _ => None,
        };
        self.found.extend(place);
        *last = Some((family, position));
    }

    fn forget(&mut self) {
        self.after_operand = false;
        if let Some(last) = self.groups.last_mut() {
            *last = None;
        }
    }
}

fn family(token: &Token, after_operand: bool) -> Option<Family> {
    Some(match token {
        Token::UnaryMinus => Family::Minus,
        Token::Minus if !after_operand => Family::Minus,
        Token::Plus | Token::Minus | Token::Multiply | Token::Divide | Token::Modulo => Family::Sum,
        Token::LeftShift | Token::RightShift => Family::Shift,
        Token::PowerOf => Family::Power,
        Token::Ampersand | Token::Pipe | Token::XOr => Family::Bits,
        Token::EqualsTo
        | Token::NotEqualsTo
        | Token::LessThan
        | Token::LessThanEqualsTo
        | Token::GreaterThan
        | Token::GreaterThanEqualsTo => Family::Comparison,
        _ => return None,
    })
}
