//! One message of a name server, read for a broker that reads none itself.

use rex_agreed::errand::{Question, Resolved};
use rex_dns::Answer;
use rex_ipc::network::AddressKind;

/// What the message says in answer to the question.
pub fn read(question: &Question, message: &[u8]) -> Resolved {
    let kind = if question.is_v6 { AddressKind::V6 } else { AddressKind::V4 };
    match rex_dns::read(message, question.id, &question.name, kind) {
        Ok(Answer::Addresses(_, true)) => Resolved::Truncated,
        Ok(Answer::Addresses(addresses, false)) => Resolved::Addresses(addresses),
        Ok(Answer::Refusal) => Resolved::Refusal,
        Err(_) => Resolved::NoAnswer,
    }
}

#[cfg(test)]
mod tests {
    use rex_dns::messages::{FINE, QUESTION, message, record};

    use super::*;

    #[test]
    fn an_answer_is_told_by_what_it_says() {
        let question = Question { id: 7, is_v6: false, name: "a.example".into() };
        let records = [record(QUESTION, 1, &[192, 0, 2, 7])];
        let said = |flags, records: &[Vec<u8>]| {
            read(&question, &message(7, flags, "a.example", AddressKind::V4, records))
        };

        assert_eq!(said(FINE, &records), Resolved::Addresses(vec![[192, 0, 2, 7].into()]));
        assert_eq!(said(FINE | 0x0200, &records), Resolved::Truncated);
        assert_eq!(said(FINE | 2, &[]), Resolved::Refusal);
        assert_eq!(said(FINE | 3, &[]), Resolved::Addresses(vec![]));
        let other = Question { id: 8, ..question.clone() };
        let message = message(7, FINE, "a.example", AddressKind::V4, &records);
        assert_eq!(read(&other, &message), Resolved::NoAnswer);
        assert_eq!(read(&question, b""), Resolved::NoAnswer);
    }
}
