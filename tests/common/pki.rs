//! Certificates made for a test.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};

/// Someone who issues certificates.
pub struct Ca {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub fn new(name: &str) -> Ca {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a CA").pem();
        Ca { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key, PEM. `names` are a broker's hosts; a device has none and is its common name.
    pub fn issues(&self, common_name: &str, names: &[&str], expired: bool) -> (String, String) {
        self.issues_until(common_name, names, expired.then_some((2002, 1, 1)))
    }

    /// With a last day (year, month, day), or none.
    #[allow(dead_code)]
    pub fn issues_until(&self, common_name: &str, names: &[&str], until: Option<(i32, u8, u8)>) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).expect("plain names");
        params.distinguished_name.push(DnType::CommonName, common_name);
        if let Some((year, month, day)) = until {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(year, month, day));
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}
