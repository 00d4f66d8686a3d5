//! The addresses of the upstream's host, remembered.
//!
//! The system's resolver blocks a thread for each question and remembers nothing. Here one question is asked
//! for all who wait, its answer serves for [`FRESH`], and an old answer serves on when a new one cannot be had.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared};
use tokio::time::{Duration, Instant, timeout};

/// How long an answer serves without asking again.
const FRESH: Duration = Duration::from_secs(30);
/// How long a new answer is waited for when an old one is at hand.
const PATIENCE: Duration = Duration::from_secs(1);
/// More addresses than these are not tried.
const MAX_ADDRESSES: usize = 8;

type Addresses = Rc<[SocketAddr]>;
type Lookup = Box<dyn Fn() -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>>>;
type Question = Shared<LocalBoxFuture<'static, Option<Addresses>>>;

pub(super) struct Resolver(Source);

enum Source {
    /// The host is an address already.
    Literal(Addresses),
    Name {
        lookup: Lookup,
        state: RefCell<State>,
    },
}

#[derive(Default)]
struct State {
    known: Option<(Addresses, Instant)>,
    asked: Option<Question>,
}

impl Resolver {
    /// `host` without brackets.
    pub(super) fn new(host: &str, port: u16) -> Self {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Self(Source::Literal(Rc::new([SocketAddr::new(ip, port)])));
        }
        let host: Rc<str> = host.into();
        Self::with_lookup(Box::new(move || {
            let host = Rc::clone(&host);
            async move { Ok(tokio::net::lookup_host((&*host, port)).await?.collect()) }.boxed_local()
        }))
    }

    fn with_lookup(lookup: Lookup) -> Self {
        Self(Source::Name { lookup, state: RefCell::default() })
    }

    /// At least one address, IPv4 first: a black-holed IPv6 is the commoner fault. `None` if there is none.
    pub(super) async fn addresses(&self) -> Option<Addresses> {
        let (lookup, state) = match &self.0 {
            Source::Literal(addresses) => return Some(Rc::clone(addresses)),
            Source::Name { lookup, state } => (lookup, state),
        };
        let (question, old) = {
            let mut state = state.borrow_mut();
            let old = match &state.known {
                Some((known, until)) if Instant::now() < *until => return Some(Rc::clone(known)),
                Some((known, _)) => Some(Rc::clone(known)),
                None => None,
            };
            let question = state.asked.get_or_insert_with(|| ask(lookup)).clone();
            (question, old)
        };
        let answer = match &old {
            Some(_) => timeout(PATIENCE, question).await.ok().flatten(),
            None => question.await,
        };
        let best = answer.or(old);
        state.borrow_mut().settle(best.as_ref());
        best
    }

    /// Asks anew before the next connection: none of the known addresses could be reached.
    pub(super) fn doubt(&self) {
        if let Source::Name { state, .. } = &self.0
            && let Some((_, until)) = &mut state.borrow_mut().known
        {
            *until = Instant::now();
        }
    }
}

impl State {
    /// Takes a finished question off; the first of its waiters writes down what is best to use.
    fn settle(&mut self, best: Option<&Addresses>) {
        if self.asked.as_ref().is_some_and(|asked| asked.peek().is_some()) {
            self.asked = None;
            self.known = best.map(|addresses| (Rc::clone(addresses), Instant::now() + FRESH));
        }
    }
}

fn ask(lookup: &Lookup) -> Question {
    let answer = lookup();
    async move {
        let mut addresses = match answer.await {
            Ok(addresses) => addresses,
            Err(error) => {
                tracing::debug!(%error, "the upstream's host name cannot be resolved");
                return None;
            }
        };
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.truncate(MAX_ADDRESSES);
        (!addresses.is_empty()).then(|| addresses.into())
    }
    .boxed_local()
    .shared()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 443))
    }

    /// Answers from a list, the last of it again and again; counts the questions.
    fn scripted(answers: Vec<Option<Vec<SocketAddr>>>) -> (Resolver, Rc<Cell<usize>>) {
        let asked = Rc::new(Cell::new(0));
        let count = Rc::clone(&asked);
        let resolver = Resolver::with_lookup(Box::new(move || {
            let turn = count.replace(count.get() + 1).min(answers.len() - 1);
            let answer = answers[turn].clone().ok_or_else(|| io::Error::other("no such name"));
            ready(answer).boxed_local()
        }));
        (resolver, asked)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_serves_for_a_while_and_then_on_error() {
        let (resolver, asked) = scripted(vec![Some(vec![address(1)]), None, Some(vec![address(2)])]);
        for _ in 0..3 {
            assert_eq!(*resolver.addresses().await.unwrap(), [address(1)]);
        }
        assert_eq!(asked.get(), 1);

        tokio::time::advance(FRESH).await;
        assert_eq!(*resolver.addresses().await.unwrap(), [address(1)], "stale on error");
        assert_eq!(asked.get(), 2);

        tokio::time::advance(FRESH).await;
        assert_eq!(*resolver.addresses().await.unwrap(), [address(2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_is_not_waited_for_when_an_old_one_is_at_hand() {
        let first = Cell::new(true);
        let resolver = Resolver::with_lookup(Box::new(move || {
            if first.replace(false) {
                ready(Ok(vec![address(1)])).boxed_local()
            } else {
                pending().boxed_local()
            }
        }));
        resolver.addresses().await.unwrap();
        tokio::time::advance(FRESH).await;
        let start = Instant::now();
        assert_eq!(*resolver.addresses().await.unwrap(), [address(1)]);
        assert_eq!(start.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_share_one_question() {
        let asked = Rc::new(Cell::new(0));
        let count = Rc::clone(&asked);
        let resolver = Resolver::with_lookup(Box::new(move || {
            count.set(count.get() + 1);
            async {
                tokio::time::sleep(PATIENCE).await;
                Ok(vec![address(1)])
            }
            .boxed_local()
        }));
        let all = futures_util::future::join_all((0..5).map(|_| resolver.addresses())).await;
        assert!(all.iter().all(Option::is_some));
        assert_eq!(asked.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn ipv4_comes_first_and_none_is_none() {
        let v6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 443));
        let (resolver, _) = scripted(vec![Some(vec![v6, address(1), address(2)])]);
        assert_eq!(*resolver.addresses().await.unwrap(), [address(1), address(2), v6]);
        let (empty, _) = scripted(vec![Some(Vec::new())]);
        assert_eq!(empty.addresses().await, None);
        let (broken, asked) = scripted(vec![None]);
        assert_eq!(broken.addresses().await, None);
        assert_eq!(broken.addresses().await, None);
        assert_eq!(asked.get(), 2, "a failure is not remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn unreachable_addresses_are_doubted() {
        let (resolver, asked) = scripted(vec![Some(vec![address(1)]), Some(vec![address(2)])]);
        resolver.addresses().await.unwrap();
        resolver.doubt();
        assert_eq!(*resolver.addresses().await.unwrap(), [address(2)]);
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test]
    async fn an_address_needs_no_question() {
        let resolver = Resolver::new("::1", 80);
        assert_eq!(*resolver.addresses().await.unwrap(), ["[::1]:80".parse().unwrap()]);
    }
}
