//! The trace context of a message: which trace of the producer it belongs to (W3C Trace Context, level 1).
//!
//! A producer sends `traceparent`, and maybe `tracestate`, with a publish. Each attempt of the message's events
//! sends them on, with the same trace and a parent id of its own. As the specification says, a `traceparent`
//! that is not valid is ignored, together with its `tracestate`; a `tracestate` that is not valid is ignored
//! alone.

use std::collections::HashSet;
use std::fmt;

/// The header with the trace and the parent.
pub const TRACEPARENT: &str = "traceparent";

/// The header with what tracing systems add.
pub const TRACESTATE: &str = "tracestate";

/// The length of a `traceparent` of version 00, in characters.
const TRACEPARENT_LENGTH: usize = 55;

/// The longest `tracestate` that is sent on. The specification asks for at least as much; it is stored with the
/// message, so there is a limit.
pub const TRACESTATE_MAX: usize = 512;

/// The most members of a `tracestate` (section 3.3.1.1).
const MEMBERS_MAX: usize = 32;

/// The length above which a member is dropped first from a `tracestate` that is too long (section 3.3.1.5).
const LARGE_MEMBER: usize = 128;

/// The flag that the caller may have recorded the trace, the only one of level 1. A sender sets the others to
/// zero.
const SAMPLED: u8 = 1;

/// The trace context of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    parent_id: u64,
    is_sampled: bool,
    state: Box<str>,
}

/// Shows the trace only: producers may put anything into a `tracestate`.
impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({:032x})", self.trace_id)
    }
}

impl TraceContext {
    /// Reads the context from the values of all its headers in a request. `None` if there is no `traceparent`,
    /// several, or one that is not valid.
    #[must_use]
    pub fn read<'a>(
        mut parents: impl Iterator<Item = &'a [u8]>,
        states: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        let parent = std::str::from_utf8(parents.next()?).ok()?;
        if parents.next().is_some() {
            return None;
        }
        let mut context = parse_parent(parent.trim_matches([' ', '\t']))?;
        // Several headers are one list (RFC 9110, section 5.3).
        let states: Vec<_> = states.collect();
        let state = String::from_utf8(states.join(&b','));
        context.state = state
            .ok()
            .and_then(|state| parse_state(&state))
            .unwrap_or_default();
        Some(context)
    }

    /// Returns the context of a trace that begins with the step `parent_id`. Neither id is zero.
    #[must_use]
    pub fn new(trace_id: u128, parent_id: u64) -> Self {
        Self {
            trace_id,
            parent_id,
            is_sampled: true,
            state: Box::default(),
        }
    }

    /// Returns the same context with another parent, which is not zero.
    #[must_use]
    pub fn with_parent(&self, parent_id: u64) -> Self {
        Self {
            parent_id,
            ..self.clone()
        }
    }

    /// Returns the id of the trace.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// Returns the id of the step to which what is done for the message belongs: the publish, or the producer's
    /// if no spans of publishes are made.
    #[must_use]
    pub fn parent_id(&self) -> u64 {
        self.parent_id
    }

    /// Reports whether the producer may have recorded the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// Returns the `traceparent` of a request whose own id is `parent_id`, which is not zero.
    #[must_use]
    pub fn traceparent(&self, parent_id: u64) -> String {
        format!(
            "00-{:032x}-{parent_id:016x}-{:02x}",
            self.trace_id,
            u8::from(self.is_sampled)
        )
    }

    /// Returns the `tracestate` to send on; empty if there is none.
    #[must_use]
    pub fn tracestate(&self) -> &str {
        &self.state
    }

    /// Returns the context as one text, for a store: the `traceparent`, and after a space the `tracestate`.
    #[must_use]
    pub fn to_stored(&self) -> String {
        let parent = self.traceparent(self.parent_id);
        if self.state.is_empty() {
            return parent;
        }
        format!("{parent} {}", self.state)
    }

    /// Reads what [`Self::to_stored`] returned; `None` for any other text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let (parent, state) = text.split_once(' ').unwrap_or((text, ""));
        let mut context = parse_parent(parent)?;
        context.state = state.into();
        Some(context)
    }

    /// Returns the memory that the context takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.state.len()
    }
}

/// Parses a `traceparent` of version 00, or the start of one of a later version (section 3.2.4).
fn parse_parent(text: &str) -> Option<TraceContext> {
    let version = hex(text.get(..2)?)?;
    let rest = text.get(TRACEPARENT_LENGTH..)?;
    let fits = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    let dashes = [2, 35, 52].map(|at| text.as_bytes().get(at) == Some(&b'-'));
    let trace_id = hex(text.get(3..35)?)?;
    let parent_id = u64::try_from(hex(text.get(36..52)?)?).ok()?;
    let flags = u8::try_from(hex(text.get(53..55)?)?).ok()?;
    (fits && dashes == [true; 3] && trace_id != 0 && parent_id != 0).then_some(TraceContext {
        trace_id,
        parent_id,
        is_sampled: flags & SAMPLED != 0,
        state: Box::default(),
    })
}

/// Parses a number of lower-case hexadecimal digits; `from_str_radix` alone takes signs and upper case, too.
fn hex(digits: &str) -> Option<u128> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let all = digits.bytes().all(is_hex);
    u128::from_str_radix(digits, 16).ok().filter(|_| all)
}

/// Checks a `tracestate`, and shortens it to [`TRACESTATE_MAX`]: first large members go, then the last ones.
fn parse_state(text: &str) -> Option<Box<str>> {
    let members = text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']));
    let mut members: Vec<_> = members.filter(|member| !member.is_empty()).collect();
    let mut keys = HashSet::new();
    let are_valid = members.iter().all(|member| {
        let parts = member.split_once('=');
        parts.is_some_and(|(key, value)| is_key(key) && is_value(value) && keys.insert(key))
    });
    if members.len() > MEMBERS_MAX || !are_valid {
        return None;
    }
    let length = |members: &[&str]| {
        let text: usize = members.iter().map(|member| member.len()).sum();
        text + members.len().saturating_sub(1)
    };
    if length(&members) > TRACESTATE_MAX {
        members.retain(|member| member.len() <= LARGE_MEMBER);
    }
    while length(&members) > TRACESTATE_MAX {
        members.pop();
    }
    Some(members.join(",").into())
}

/// Reports whether a text is the key of a member: a name, or `tenant@system`.
fn is_key(text: &str) -> bool {
    let is_part = |part: &str, longest, may_begin: fn(&u8) -> bool| {
        let rest = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        part.len() <= longest
            && part.as_bytes().first().is_some_and(may_begin)
            && part.bytes().all(rest)
    };
    match text.split_once('@') {
        None => is_part(text, 256, u8::is_ascii_lowercase),
        Some((tenant, system)) => {
            is_part(tenant, 241, |byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit()
            }) && is_part(system, 14, u8::is_ascii_lowercase)
        }
    }
}

/// Reports whether a text is the value of a member: printable ASCII without `,` and `=`, not ending in a space.
fn is_value(text: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    (1..=256).contains(&text.len()) && text.bytes().all(fits) && !text.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(parents: &[&str], states: &[&str]) -> Option<TraceContext> {
        let bytes = |text: &&'static str| text.as_bytes();
        let leak = |texts: &[&str]| -> Vec<&'static str> {
            texts
                .iter()
                .map(|text| &*String::from(*text).leak())
                .collect()
        };
        let (parents, states) = (leak(parents), leak(states));
        TraceContext::read(parents.iter().map(bytes), states.iter().map(bytes))
    }

    fn state(states: &[&str]) -> String {
        read(&[VALID], states).unwrap().tracestate().to_owned()
    }

    #[test]
    fn a_valid_parent_is_sent_on_with_another_parent_id() {
        let context = read(&[VALID], &[]).unwrap();
        assert_eq!(
            context.traceparent(7),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01"
        );
        assert_eq!(
            context.trace_id(),
            0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736
        );
        assert_eq!(context.parent_id(), 0x00f0_67aa_0ba9_02b7);
        assert!(context.is_sampled());
        let unsampled = VALID.replace("-01", "-00");
        let context = read(&[&unsampled], &[]).unwrap();
        assert!(!context.is_sampled() && context.traceparent(7).ends_with("-00"));
        // Flags that are not known are cleared, and so is what later versions add.
        for (later, flags) in [
            ("00-…-ff", "-01"),
            ("cc-…-02", "-00"),
            ("01-…-01-what", "-01"),
        ] {
            let later = later.replace('…', &VALID[3..52]);
            let context = read(&[&later], &[]).unwrap();
            assert!(context.traceparent(1).starts_with("00-4bf9"), "{later}");
            assert!(context.traceparent(1).ends_with(flags), "{later}");
        }
    }

    #[test]
    fn a_parent_that_is_not_valid_is_ignored() {
        for bad in [
            "",
            "00",
            &VALID[..54],
            &format!("{VALID}-"),
            &format!("{VALID}-00"),
            &format!("01{}x", &VALID[2..]),
            &VALID.replacen("00", "ff", 1),
            &VALID.replacen("00", "0g", 1),
            &VALID.to_uppercase(),
            &VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &VALID.replace("4bf9", "+bf9"),
            &VALID.replacen('-', "_", 1),
            &VALID.replace("-01", "_01"),
            &VALID.replace("-01", "-0x"),
            &VALID.replace("4bf9", "4bé"),
        ] {
            assert_eq!(read(&[bad], &["a=1"]), None, "{bad}");
        }
        assert_eq!(read(&[VALID, VALID], &[]), None, "two are none");
        assert_eq!(read(&[], &["a=1"]), None);
        assert!(read(&[&format!(" {VALID}\t")], &[]).is_some());
    }

    #[test]
    fn a_state_is_sent_on_if_it_is_valid() {
        assert_eq!(
            state(&["rojo=00f067aa0ba902b7 , congo=t61rcWkgMzE,"]),
            "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
        );
        assert_eq!(state(&["a=1", "1b@c=2"]), "a=1,1b@c=2");
        assert_eq!(state(&["a_-*/0= x!~"]), "a_-*/0= x!~");
        for bad in [
            "a", "=1", "a=", "A=1", "1=1", "a=1=2", "a=é", "a=1,a=2", "a b=1", "@a=1", "a@1=1",
            "a=\u{1}",
        ] {
            assert_eq!(state(&[bad]), "", "{bad}");
        }
        let many = |count| {
            (0..count)
                .map(|n| format!("k{n}=v"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(state(&[&many(32)]), many(32));
        assert_eq!(state(&[&many(33)]), "");
    }

    #[test]
    fn a_state_that_is_too_long_loses_large_members_and_then_the_last_ones() {
        let member = |name: char, length: usize| format!("{name}={}", "v".repeat(length - 2));
        let small: Vec<_> = ('a'..='e').map(|name| member(name, 100)).collect();
        assert_eq!(state(&[&small.join(",")]), small.join(","), "504 fit");
        let large = [&[member('x', 129)][..], &small].concat().join(",");
        assert_eq!(state(&[&large]), small.join(","));
        let rest = [&small[..], &[member('f', 128)]].concat().join(",");
        assert_eq!(state(&[&rest]), small.join(","));
    }

    proptest! {
        #[test]
        fn a_store_gives_back_what_it_got(trace in 1_u128.., parent in 1_u64.., flags: u8, state in "([a-z]=[a-z ]{0,9}x)?") {
            let text = format!("00-{trace:032x}-{parent:016x}-{flags:02x}");
            let context = read(&[&text], &[&state]).unwrap();
            prop_assert_eq!(TraceContext::from_stored(&context.to_stored()), Some(context));
        }

        #[test]
        fn any_text_is_read_without_a_panic(parent in ".{0,80}", states in ".{0,80}") {
            let _ = read(&[&parent], &[&states]);
            let _ = TraceContext::from_stored(&parent);
        }
    }
}
