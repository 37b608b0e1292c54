//! Sends a request for a URL to its server.
//!
//! # Policy
//! `network::GET` on the URL as given; on its canonical form where that is another; on that form with the address in place of the
//! name, where a name leads to this host, a link or many hosts; and on it with the address as context, where that was not known
//! before name servers were asked. Through a proxy no name server is asked, and the address is not known but for what `/etc/hosts` says.
//! User information is in no question. Of these Rex asks the first. Its scripts are asked all of them where a URL has dot segments or
//! comes from a redirect; else a missing permit for the others is none.

use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::network::{BeginGet, Begun};

use super::{ask_to_get, to_be_asked_for};
use crate::gate::error::Error;
use crate::host::network::object::{Question, UserInformation};
use crate::host::network::{http, lookup, unguarded};
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
        let hop = self.hop.get();
        let is_redirected = hop > 0;
        // What a server redirects to brings no user along.
        let takes_user = call.host.network.user_information == UserInformation::Allow && !is_redirected;
        let url = if takes_user { Url::parse_with_user(given) } else { Url::parse(given) };
        let has_user = url.as_ref().is_ok_and(|url| url.user.is_some());
        // Neither a policy nor the record needs a password. Rex asks with it.
        let asked = if has_user && !as_rex { without_user(given) } else { given.to_owned() };
        let known = url
            .as_ref()
            .map_or_else(|_| Vec::new(), |url| unguarded::known_addresses(&url.host, &call.host.network));
        // What goes into the question without a query of anybody.
        let first = known.first().copied();
        let mut questions = vec![Question { text: asked.clone(), beyond_rex: false, hop, address: first }];
        let mut permit = ask_to_get(call, &questions[0], url.as_ref().ok())?;
        let url = url.map_err(|wrong| no_url(&wrong, given, as_rex))?;
        let beyond_rex = !is_redirected && !url.had_dot_segments;
        let canonical = url.to_string();
        if canonical != asked {
            let question = Question { text: canonical.clone(), beyond_rex, hop, address: first };
            permit = ask_to_get(call, &question, Some(&url))?;
            questions.push(question);
        }
        let not_sent = |cause: &str| not_sent(&canonical, cause, as_rex);
        let told = |error| match error {
            Error::Failed { message, .. } => not_sent(&message),
            other => other,
        };
        let reply = Text::new(canonical.as_str()).map(|url| Begun { url });
        let reply = reply.ok_or_else(|| not_sent("the URL is too long"))?;
        let deadline = call.host.network.begin_anew(is_redirected);
        let is_proxied = call.host.network.proxy.is_some();
        let addresses = if known.is_empty() && !is_proxied {
            lookup::of_url(&permit, &mut call.host.network, deadline, &mut || call.pace.go_on())
                .map_err(told)?
        } else {
            known
        };
        for address in to_be_asked_for(&url.host, &addresses) {
            let question = Question { text: url.at(address), beyond_rex, hop, address: Some(address) };
            permit = ask_to_get(call, &question, Some(&url))?;
            questions.push(question);
        }
        let mut reached = Err(not_sent("the host has no address"));
        if is_proxied {
            let network = &call.host.network;
            reached = http::reach_proxy(&permit, network, deadline, &mut || call.pace.go_on()).map_err(told);
        }
        for address in addresses.into_iter().filter(|_| !is_proxied) {
            let mut asked = None;
            if first != Some(address) {
                let question = Question { text: canonical.clone(), beyond_rex, hop, address: Some(address) };
                permit = ask_to_get(call, &question, Some(&url))?;
                asked = Some(question);
            }
            match http::reach(&permit, address, deadline, &mut || call.pace.go_on()) {
                Ok(connection) => {
                    questions.extend(asked);
                    reached = Ok(connection);
                    break;
                }
                Err(error @ Error::Interrupted) => return Err(error),
                Err(error) => reached = Err(told(error)),
            }
        }
        let network = &mut call.host.network;
        http::begin(&permit, network, reached?, questions, deadline, &mut || call.pace.go_on())
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
