//! The tests of forbidden addresses in a URL, in every spelling that some parser takes for an address. They
//! are refused when an endpoint is created or changed, and again before a request, as the policy may have
//! changed.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Scripted, Untouched, create, deliveries, id};
use crate::fixture::{Answer, TestApp};

/// Hosts that are forbidden addresses, by where they come from.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "the special-purpose blocks of IPv4",
        &[
            "0.0.0.0",
            "0.0.0.1",
            "0.255.255.255",
            "10.0.0.0",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.0",
            "127.0.0.1",
            "127.0.0.53",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.255.255",
            "172.16.0.0",
            "172.17.0.1",
            "172.31.255.255",
            "192.0.0.0",
            "192.0.0.8",
            "192.0.0.9",
            "192.0.0.10",
            "192.0.0.170",
            "192.0.0.171",
            "192.0.0.255",
            "192.0.2.0",
            "192.0.2.255",
            "192.31.196.0",
            "192.31.196.255",
            "192.52.193.0",
            "192.52.193.255",
            "192.88.99.0",
            "192.88.99.2",
            "192.88.99.255",
            "192.168.0.0",
            "192.168.255.255",
            "192.175.48.0",
            "192.175.48.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.0",
            "198.51.100.255",
            "203.0.113.0",
            "203.0.113.255",
            "224.0.0.0",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.254",
            "255.255.255.255",
        ],
    ),
    (
        "the special-purpose blocks of IPv6",
        &[
            "[::]",
            "[::1]",
            "[100::]",
            "[100::ffff:ffff:ffff:ffff]",
            "[100:0:0:1::]",
            "[100:0:0:1:ffff:ffff:ffff:ffff]",
            "[200::1]",
            "[2001:1::1]",
            "[2001:1::2]",
            "[2001:1::3]",
            "[2001:2::]",
            "[2001:2:0:ffff:ffff:ffff:ffff:ffff]",
            "[2001:3::]",
            "[2001:3:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[2001:4:112::]",
            "[2001:4:112:ffff:ffff:ffff:ffff:ffff]",
            "[2001:10::]",
            "[2001:1f:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[2001:20::]",
            "[2001:2f:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[2001:30::]",
            "[2001:3f:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[2001:db8::]",
            "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[2620:4f:8000::]",
            "[2620:4f:8000:ffff:ffff:ffff:ffff:ffff]",
            "[3fff::]",
            "[3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[4000::1]",
            "[5f00::]",
            "[5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[8000::1]",
            "[e000::1]",
            "[fc00::]",
            "[fd12:3456:789a::1]",
            "[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[fe00::1]",
            "[fe80::]",
            "[fe80::1]",
            "[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[fec0::]",
            "[feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
            "[ff00::]",
            "[ff02::1]",
            "[ff0e::1]",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]",
        ],
    ),
    (
        "IPv4 addresses inside of IPv6 ones",
        &[
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::FFFF:7F00:0001]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
            "[0000:0000:0000:0000:0000:ffff:7f00:0001]",
            "[::ffff:10.0.0.1]",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[::ffff:0.0.0.0]",
            "[::ffff:8.8.8.8]",
            "[::127.0.0.1]",
            "[::7f00:1]",
            "[::8.8.8.8]",
            "[::ffff:0:127.0.0.1]",
            "[::ffff:0:7f00:1]",
            "[::ffff:0:8.8.8.8]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b::8.8.8.8]",
            "[64:ff9b:1::127.0.0.1]",
            "[64:ff9b:1::a9fe:a9fe]",
            "[64:ff9b:1:ffff::8.8.8.8]",
            "[2002:7f00:1::]",
            "[2002:a00:1::1]",
            "[2002:a9fe:a9fe::1]",
            "[2002:808:808::1]",
            "[2001::1]",
            "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
            "[2001:0:a9fe:a9fe::1]",
            "[2001:0:ffff:ffff:ffff:ffff:ffff:ffff]",
        ],
    ),
    (
        "metadata services",
        &[
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "169.254.169.253",
            "169.254.42.42",
            "169.254.0.23",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "[fd00:ec2::254]",
            "[fd00:ec2::23]",
            "[fd20:ce::254]",
            "[fd00:42::42]",
            "[fe80::a9fe:a9fe]",
        ],
    ),
    (
        "fewer parts, other bases",
        &[
            "127.1",
            "127.0.1",
            "127.257",
            "0",
            "0.0",
            "1",
            "10.1",
            "192.168.1",
            "172.16.257",
            "2130706433",
            "3232235521",
            "2852039166",
            "4294967295",
            "0x7f000001",
            "0X7F000001",
            "0x7f.1",
            "0x7f.0x0.0x0.0x1",
            "0x7f.0.0.01",
            "0xa9fea9fe",
            "0xa9.0xfe.0xa9.0xfe",
            "0x000000007f.1",
            "017700000001",
            "0177.0.0.1",
            "0177.0.0.01",
            "0177.1",
            "00000177.0.0.1",
            "025177524776",
            "0251.0376.0251.0376",
            "0xa.0.0.1",
            "012.0.0.1",
            "0xc0.0250.1",
            "0x.0x.0x.0x",
            "127.0.0.0x",
        ],
    ),
    (
        "characters that become others",
        &[
            "127.0.0.1.",
            "127.1.",
            "0x7f000001.",
            "169.254.169.254.",
            "%31%32%37.0.0.1",
            "127%2E0%2E0%2E1",
            "%30x7f.1",
            "１２７.0.0.1",
            "１２７．０．０．１",
            "①②⑦.⓪.⓪.①",
            "127。0。0。1",
            "127｡0｡0｡1",
            "⑯⑨.254.169.254",
            "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
            "₁₂₇.₀.₀.₁",
            "¹²⁷.0.0.1",
            "０ｘ７ｆ.1",
            "⓪x7f.1",
            "127.\u{ad}0.0.1",
            "127.\u{200b}0.0.1",
            "127.0.0.1\u{2060}",
            "127.\t0.\n0.\r1",
            "[0::0:1]",
            "[0000:0000:0000:0000:0000:0000:0000:0001]",
            "[FD00:EC2::254]",
        ],
    ),
];

/// Whole URLs that no endpoint can have, and the type of problem that says so.
const UNUSABLE: &[(&str, &str)] = &[
    // Zone ids: whatever they are appended to.
    ("https://[fe80::1%eth0]/", "url_parsing"),
    ("https://[fe80::1%25eth0]/", "url_parsing"),
    ("https://[::1%lo]/", "url_parsing"),
    ("https://[::1%251]/", "url_parsing"),
    ("https://[2606:4700::1%25eth0]/", "url_parsing"),
    // No addresses, although some parser takes them for one.
    ("https://256.256.256.256/", "url_parsing"),
    ("https://4294967296/", "url_parsing"),
    ("https://0x100000000/", "url_parsing"),
    ("https://1.2.3.4.5/", "url_parsing"),
    ("https://127.0.0.1.0/", "url_parsing"),
    ("https://08.0.0.1/", "url_parsing"),
    ("https://example.127/", "url_parsing"),
    ("https://example.0x7f/", "url_parsing"),
    ("https://[127.0.0.1]/", "url_parsing"),
    ("https://[::ffff:0x7f.1]/", "url_parsing"),
    ("https://[::ffff:127.1]/", "url_parsing"),
    ("https://[::1/", "url_parsing"),
    ("https://::1/", "url_parsing"),
    ("https://[::1].example.com/", "url_parsing"),
    ("https://[]/", "url_parsing"),
    // Characters that no host has.
    ("https://127.0.0.1%00.example.com/", "url_parsing"),
    ("https://127.0.0.1%20.example.com/", "url_parsing"),
    ("https://127.0.0.1%2f.example.com/", "url_parsing"),
    ("https://127.0.0.1%23.example.com/", "url_parsing"),
    ("https://127.0.0.1%40example.com/", "url_parsing"),
    ("https://127.0.0.1%5c.example.com/", "url_parsing"),
    ("https://127.0.0.1%0d%0ahost:x/", "url_parsing"),
    ("https://127.0.0.1 .example.com/", "url_parsing"),
    ("https://exa\u{0}mple.com/", "url_parsing"),
    ("https://example.com|127.0.0.1/", "url_parsing"),
    ("https://example.com^127.0.0.1/", "url_parsing"),
    ("https://\u{202e}1.0.0.721/", "url_parsing"),
    ("https://{127.0.0.1}/", "url_parsing"),
    ("https://127.0.0.1\".example.com/", "url_parsing"),
    ("https://example.com`127.0.0.1`/", "url_parsing"),
    ("https://localhost,example.com/", "url_parsing"),
    ("https://*.example.com/", "url_parsing"),
    // Punycode that is none, or hides what may be written plainly.
    ("https://xn--a/", "url_parsing"),
    ("https://xn--/", "url_parsing"),
    ("https://xn--127001-/", "url_parsing"),
    ("https://xn--0/", "url_parsing"),
    ("https://xn--localhost-/", "url_parsing"),
    // Ports.
    ("https://example.com:65536/", "url_parsing"),
    ("https://example.com:-1/", "url_parsing"),
    ("https://example.com:80:443/", "url_parsing"),
    ("https://example.com:443@127.0.0.1:x/", "url_parsing"),
    // Something before the host, which may be the host to others.
    ("https://example.com@127.0.0.1/", "value_error"),
    ("https://127.0.0.1@example.com/", "value_error"),
    ("https://example.com:443@127.0.0.1/", "value_error"),
    ("https://127.0.0.1:443@example.com/", "value_error"),
    ("https://a@b@127.0.0.1/", "value_error"),
    ("https://example.com%40@127.0.0.1/", "value_error"),
    ("https://example.com%2f@127.0.0.1/", "value_error"),
    ("https://:@127.0.0.1/", "value_error"),
    ("https://user:pass@example.com/", "value_error"),
    // Slashes of all kinds.
    ("https:\\\\127.0.0.1\\", "value_error"),
    ("https:/\\127.0.0.1/", "value_error"),
    ("https:127.0.0.1", "value_error"),
    ("https:///127.0.0.1/", "value_error"),
    ("https:////127.0.0.1/", "value_error"),
    ("https://127.0.0.1\\@example.com/", "value_error"),
    ("https://127.0.0.1\\.example.com/", "value_error"),
    ("https://127.0.0.1#@example.com/", "value_error"),
    ("https://127.0.0.1?@example.com/", "value_error"),
    ("https://127.0.0.1;@example.com/", "value_error"),
    ("https://127.0.0.1&@example.com/", "value_error"),
    (" \u{9}https://127.0.0.1/", "value_error"),
    ("ht\ntps://127.0.0.1/", "value_error"),
    ("https://127.0.\r\n0.1/", "value_error"),
];

fn forbidden() -> impl Iterator<Item = &'static str> {
    FORBIDDEN.iter().flat_map(|(_, hosts)| *hosts).copied()
}

/// Returns the reason why `answer` is not the refusal of a URL of this kind, if it is not.
fn fault(answer: &Answer, url: &str, kind: &str) -> Option<String> {
    let problem = answer.json()["detail"][0].clone();
    let right =
        answer.status == 422 && problem["type"] == kind && problem["loc"] == json!(["body", "url"]);
    (!right).then(|| {
        format!(
            "{url:?} should be {kind}: {} {}",
            answer.status, answer.text
        )
    })
}

#[test]
fn the_tables_of_addresses_have_all_their_rows() {
    let mut all: Vec<&str> = forbidden().collect();
    assert!(all.len() >= 150, "{}", all.len());
    let with_doubles = all.len();
    all.sort_unstable();
    all.dedup();
    assert!(
        with_doubles - all.len() < 3,
        "metadata services may be twice in it"
    );
}

#[test]
fn no_endpoint_is_made_or_moved_to_a_forbidden_address() {
    let app = TestApp::with_default_policy(&[]);
    let endpoint = create(&app, "https://example.com/hook").expect(201);
    let path = format!("/api/webhooks/endpoints/{}", id(&endpoint));
    let addresses = forbidden().flat_map(|host| {
        [
            (format!("https://{host}/hook"), "value_error"),
            (format!("https://{host}:8443"), "value_error"),
        ]
    });
    let unusable = UNUSABLE
        .iter()
        .map(|(url, kind)| ((*url).to_owned(), *kind));
    let mut faults = Vec::new();
    for (url, kind) in addresses.chain(unusable) {
        faults.extend(fault(&create(&app, &url), &url, kind));
        faults.extend(fault(&app.patch(&path, &json!({"url": url})), &url, kind));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // What would do is said, and nothing was stored on the way.
    let answer = create(&app, "https://0x7f.1/").expect(422);
    assert_eq!(
        answer["detail"][0]["msg"],
        "Value error, the address 127.0.0.1 is not allowed: loopback (RFC 1122); \
         use a public address, or have the operator allow this network"
    );
    assert_eq!(app.get(&path).expect(200), endpoint);
    let list = app.get("/api/webhooks/endpoints").expect(200);
    assert_eq!(list["meta"]["total"], 1);
}

/// As one operator's mistake, and the next one's repair.
#[test]
fn what_was_stored_under_a_lax_policy_is_not_dialled_under_a_strict_one() {
    let lax = ["--allow-network", "0.0.0.0/0", "--allow-network", "::/0"];
    let lookup = std::sync::Arc::new(Scripted::default());
    let mut app = TestApp::with_lookup(&lax, lookup.clone());
    let target = Untouched::everywhere();
    let endpoints: Vec<Value> = forbidden()
        .map(|host| {
            let url = format!("https://{host}:{}/hook", target.port());
            create(&app, &url).expect(201)
        })
        .collect();
    app.restart_with(&[]);
    app.publish("order.created", &json!({"id": 1}));
    let count = u64::try_from(endpoints.len()).unwrap();
    app.wait_for_events("failed", count);
    for endpoint in &endpoints {
        let delivery = &deliveries(&app, endpoint, 1)[0];
        let url = endpoint["url"].as_str().unwrap();
        assert_eq!(delivery["error"], "address_refused", "{url}: {delivery}");
        assert_eq!(delivery["succeeded"], false, "{url}");
        assert_eq!(delivery["http_code"], Value::Null, "{url}");
        let said = delivery["response"].as_str().unwrap();
        assert!(said.contains(" is not allowed: "), "{url}: {said}");
    }
    target.assert_untouched();
    assert_eq!(lookup.names(), [""; 0], "an address is not a name");
}

/// A database that something else wrote to: spellings that the API never stores. The client reads
/// those as names, and what a name resolves to is checked.
#[test]
fn spellings_that_only_another_program_can_have_stored_are_refused_too() {
    let target = Untouched::everywhere();
    let mut app = TestApp::with_default_policy(&["--allow-http"]);
    let hosts = [
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "localhost",
    ];
    let endpoints: Vec<Value> = hosts
        .iter()
        .map(|host| create(&app, &format!("https://{host}.example/")).expect(201))
        .collect();
    app.stop();
    let database = Connection::open(app.database()).unwrap();
    for (host, endpoint) in hosts.iter().zip(&endpoints) {
        let url = format!("http://{host}:{}/", target.port());
        let changed = database.execute(
            "UPDATE endpoint SET url = ?1 WHERE url = ?2",
            [url.as_str(), endpoint["url"].as_str().unwrap()],
        );
        assert_eq!(changed, Ok(1));
    }
    drop(database);
    app.restart();
    app.publish("order.created", &json!({"id": 1}));
    for endpoint in &endpoints {
        let delivery = &deliveries(&app, endpoint, 1)[0];
        let error = delivery["error"].as_str().unwrap();
        // Systems differ in what they take for a number.
        assert!(matches!(error, "address_refused" | "dns"), "{delivery}");
    }
    let refused = &deliveries(&app, &endpoints[5], 1)[0];
    assert_eq!(refused["error"], "dns", "{refused}");
    target.assert_untouched();
}
