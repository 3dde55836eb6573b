use std::io::ErrorKind;

use super::*;

/// A socket whose writes fail with a given error from a given write on.
#[derive(Debug)]
struct Failing {
    good_writes: usize,
    kind: ErrorKind,
}

impl Link for Failing {
    fn send(&mut self, _: &[u8], _: NextTimeout) -> Result<(), ureq::Error> {
        if self.good_writes == 0 {
            return Err(io::Error::from(self.kind).into());
        }
        self.good_writes -= 1;
        Ok(())
    }

    fn receive(&mut self, _: &mut [u8], _: NextTimeout) -> Result<usize, ureq::Error> {
        Ok(1)
    }

    fn is_open(&mut self) -> bool {
        true
    }
}

fn failing_after(good_writes: usize, kind: ErrorKind) -> Tcp<Failing> {
    Tcp::new(Failing { good_writes, kind })
}

fn write(tcp: &mut Tcp<Failing>) -> Result<(), ureq::Error> {
    tcp.send(b"x", NextTimeout::default())
}

fn is_stale(written: &Result<(), ureq::Error>) -> bool {
    matches!(written, Err(ureq::Error::Other(error)) if error.is::<Stale>())
}

#[test]
fn stale_if_the_first_write_of_a_later_request_fails() {
    for kind in [
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
    ] {
        let mut tcp = failing_after(2, kind);
        assert!(write(&mut tcp).is_ok());
        assert!(write(&mut tcp).is_ok());
        assert!(tcp.is_open());
        assert!(is_stale(&write(&mut tcp)), "{kind}");
        assert!(is_stale(&write(&mut tcp)), "{kind}, as TLS tries again");
    }
}

#[test]
fn not_stale_once_anything_was_written() {
    let mut tcp = failing_after(2, ErrorKind::BrokenPipe);
    assert!(write(&mut tcp).is_ok());
    assert!(tcp.is_open());
    assert!(write(&mut tcp).is_ok());
    let error = write(&mut tcp);
    assert!(error.is_err() && !is_stale(&error));
}

#[test]
fn a_new_connection_is_never_stale() {
    let error = write(&mut failing_after(0, ErrorKind::ConnectionReset));
    assert!(error.is_err() && !is_stale(&error));
}

#[test]
fn only_a_closed_connection_is_stale() {
    let mut tcp = failing_after(0, ErrorKind::PermissionDenied);
    assert!(tcp.is_open());
    let error = write(&mut tcp);
    assert!(error.is_err() && !is_stale(&error));
}

#[test]
fn only_long_time_outs_are_rounded() {
    let rounded = |left: Duration| {
        let timeout = NextTimeout {
            after: time::Duration::Exact(left),
            ..NextTimeout::default()
        };
        *coarse(timeout).after
    };
    let millis = Duration::from_millis;
    assert_eq!(rounded(Duration::from_micros(9_999_950)), millis(10_000));
    assert_eq!(rounded(millis(10_000)), millis(10_000));
    assert_eq!(rounded(millis(1_001)), millis(1_100));
    assert_eq!(rounded(millis(1_000)), millis(1_000));
    assert_eq!(rounded(millis(333)), millis(333));
    assert_eq!(rounded(Duration::ZERO), Duration::ZERO);
    assert!(coarse(NextTimeout::default()).after.is_not_happening());
}
