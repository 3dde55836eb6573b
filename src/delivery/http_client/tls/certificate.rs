//! A reader of the few fields of a certificate that explain why it is not accepted.
//!
//! It decides nothing: rustls has refused the certificate, or will. The bytes are the receiver's, so a reader
//! that finds something else than it expects returns `None`.

/// The tag of the version field, which only certificates after version 1 have.
const VERSION: u8 = 0xa0;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The object identifiers of types of keys and of curves, as they are encoded.
mod oid {
    pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    pub(super) const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
    pub(super) const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
    pub(super) const ELLIPTIC_CURVE: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    pub(super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    pub(super) const P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
    pub(super) const P521: &[u8] = &[0x2b, 0x81, 4, 0, 35];
    pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 112];
    pub(super) const ED448: &[u8] = &[0x2b, 0x65, 113];
}

/// The sizes of RSA keys that are accepted, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The fields of a certificate, each without its tag and length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Certificate<'a> {
    /// 1, 2 or 3.
    pub(super) version: u8,
    pub(super) issuer: &'a [u8],
    /// The first and the last moment at which it is valid, as the certificate spells them.
    pub(super) validity: [&'a [u8]; 2],
    pub(super) subject: &'a [u8],
    /// The `subjectPublicKeyInfo`.
    pub(super) key: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate (RFC 5280, section 4.1).
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Fields(Fields(der).read(SEQUENCE)?);
        let mut fields = Fields(outer.read(SEQUENCE)?);
        let version = match fields.read(VERSION) {
            Some(version) => Fields(version).read(INTEGER)?.last()?.checked_add(1)?,
            None => 1,
        };
        let _serial_number = fields.read(INTEGER)?;
        let _algorithm = fields.read(SEQUENCE)?;
        let issuer = fields.read(SEQUENCE)?;
        let mut validity = Fields(fields.read(SEQUENCE)?);
        Some(Self {
            version,
            issuer,
            validity: [validity.next()?.1, validity.next()?.1],
            subject: fields.read(SEQUENCE)?,
            key: fields.read(SEQUENCE)?,
        })
    }
}

/// Returns the type of a key in words if rustls cannot use it, such as "an RSA key of 1024 bits". The key is a
/// `subjectPublicKeyInfo` without its tag and length.
pub(super) fn unusable_key(key: &[u8]) -> Option<String> {
    let mut fields = Fields(key);
    let mut algorithm = Fields(fields.read(SEQUENCE)?);
    let words = match algorithm.read(OBJECT_ID)? {
        oid::RSA => {
            let bits = rsa_bits(fields.read(BIT_STRING)?)?;
            return (!RSA_BITS.contains(&bits)).then(|| format!("an RSA key of {bits} bits"));
        }
        oid::ELLIPTIC_CURVE => match algorithm.read(OBJECT_ID) {
            Some(oid::P256 | oid::P384) => return None,
            Some(oid::P521) => "a P-521 key",
            _ => "a key on another elliptic curve than P-256 and P-384",
        },
        oid::ED25519 => return None,
        oid::RSA_PSS => "a key for RSASSA-PSS alone",
        oid::DSA => "a DSA key",
        oid::ED448 => "an Ed448 key",
        _ => "a key of an unknown type",
    };
    Some(words.to_owned())
}

/// Returns the length of an RSA key (RFC 8017, appendix A.1.1).
fn rsa_bits(bit_string: &[u8]) -> Option<usize> {
    // The first byte is the number of unused bits.
    let mut key = Fields(Fields(bit_string.get(1..)?).read(SEQUENCE)?);
    let modulus = key.read(INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    let bytes = modulus.len() - zeros;
    Some(bytes * 8 - usize::try_from(first.leading_zeros()).ok()?)
}

/// Fields in DER, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Reads the next field if it has this tag.
    fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        (*self.0.first()? == tag)
            .then(|| self.next())?
            .map(|(_, content)| content)
    }

    /// Reads the next field: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], mut rest) = self.0.split_first_chunk()?;
        let mut length = usize::from(length);
        if length > 0x7f {
            // The low bits are the number of bytes of the length.
            let (bytes, after) = rest.split_at_checked(length & 0x7f)?;
            if bytes.len() > 3 {
                return None;
            }
            length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Certificate::read(&bytes);
            let _ = unusable_key(&bytes);
        }

        /// A certificate in which single bytes are changed, or that is cut off.
        #[test]
        fn no_damage_panics(at in 0_usize..1000, to in any::<u8>(), cut in 0_usize..1000) {
            let certified = rcgen::generate_simple_self_signed(["a.test".to_owned()]);
            let mut der = certified.expect("a certificate").cert.der().to_vec();
            let length = der.len();
            der[at % length] = to;
            for der in [&der[..], &der[..cut % length]] {
                if let Some(certificate) = Certificate::read(der) {
                    let _ = unusable_key(certificate.key);
                }
            }
        }
    }
}
