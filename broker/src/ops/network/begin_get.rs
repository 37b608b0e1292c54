//! Sends a request for a URL to its server.
//!
//! # Policy
//! `network::GET` on the URL as given; on its canonical form where that is another; and on that form with the address in place
//! of the name, where a name leads to this host, a link or many hosts. Of these Rex asks the first. Its scripts are asked all of
//! them where a URL has dot segments or comes from a redirect; else a missing permit for the others is none.

use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::network::{BeginGet, Begun};

use super::{ask_to_get, to_be_asked_for};
use crate::gate::error::Error;
use crate::host::network::object::Question;
use crate::host::network::{http, lookup};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::url::{NotAUrl, Url};

impl Perform for BeginGet {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Begun, Error> {
        let as_rex = call.is_rex_compat();
        let given = self.url.as_str();
        let is_redirected = self.hop.get() > 0;
        let url = Url::parse(given);
        let mut questions = vec![Question { text: given.to_owned(), beyond_rex: false }];
        let mut permit = ask_to_get(call, &questions[0], url.as_ref().ok())?;
        let url = url.map_err(|wrong| no_url(&wrong, given, as_rex))?;
        let beyond_rex = !is_redirected && !url.had_dot_segments;
        let canonical = url.to_string();
        if canonical != given {
            let question = Question { text: canonical.clone(), beyond_rex };
            permit = ask_to_get(call, &question, Some(&url))?;
            questions.push(question);
        }
        let not_sent = |cause: &str| not_sent(&canonical, cause, as_rex);
        let reply = Text::new(canonical.as_str()).map(|url| Begun { url });
        let reply = reply.ok_or_else(|| not_sent("the URL is too long"))?;
        let deadline = call.host.network.begin_anew(is_redirected);
        let told = |error| match error {
            Error::Failed { message, .. } => not_sent(&message),
            other => other,
        };
        let addresses = lookup::of_url(&permit, &mut call.host.network, deadline, &mut || call.pace.go_on())
            .map_err(told)?;
        for address in to_be_asked_for(&url.host, &addresses) {
            let question = Question { text: url.at(address), beyond_rex };
            permit = ask_to_get(call, &question, Some(&url))?;
            questions.push(question);
        }
        http::begin(&permit, &mut call.host.network, &addresses, questions, deadline, &mut || {
            call.pace.go_on()
        })
        .map_err(told)?;
        Ok(reply)
    }
}

/// What Rex says of a text that it cannot fetch, and why that is, where that is not hidden.
fn no_url(wrong: &NotAUrl, given: &str, as_rex: bool) -> Error {
    match wrong {
        NotAUrl::NoUrl => Error::invalid(ErrorKind::Other, "failed to clone request"),
        NotAUrl::OtherScheme => Error::invalid(
            ErrorKind::IoError,
            format!("Failed to send a request: reason: builder error for url ({})", without_user(given)),
        ),
        NotAUrl::Refused(why) => not_sent(&without_user(given), why, as_rex),
    }
}

fn not_sent(url: &str, cause: &str, as_rex: bool) -> Error {
    let message = format!("Failed to send a request: reason: error sending request for url ({url})");
    let told = if as_rex { message } else { format!("{message}: {cause}") };
    Error::invalid(ErrorKind::IoError, told)
}

/// A text that is shown, without what may be a password.
fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("//") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}//{host}{path}")
}
