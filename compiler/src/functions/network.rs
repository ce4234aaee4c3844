//! IP addresses and networks.

use std::net::IpAddr;

use ipnet::IpNet;

use super::arguments::Compiled;
use super::function::{Category, Example, Function, Parameter, Type};

const TEXT: Parameter = Parameter::text("text", "An IPv4 or IPv6 address.");

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "ip_version",
        category: Category::Network,
        summary: "4 or 6, by the kind of address.",
        parameters: &[TEXT],
        returns: Type::Integer,
        bad_input: "NULL for what is not an address.",
        examples: &[
            Example::new("ip_version('192.0.2.1')", "4"),
            Example::new("ip_version('2001:db8::1')", "6"),
            Example::new("ip_version('300.0.0.1')", "NULL"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.integers(|row| Some(if text.at(row)?.parse::<IpAddr>().ok()?.is_ipv4() { 4 } else { 6 }))
        },
    },
    Function {
        name: "ip_normalize",
        category: Category::Network,
        summary: "The address in its one canonical form; an IPv4 address inside an IPv6 one comes out as IPv4.",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: "NULL for what is not an address.",
        examples: &[
            Example::new("ip_normalize('2001:0DB8:0:0::0001')", "2001:db8::1"),
            Example::new("ip_normalize('::ffff:192.0.2.1')", "192.0.2.1"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| Some(text.at(row)?.parse::<IpAddr>().ok()?.to_canonical().to_string()))
        },
    },
    Function {
        name: "ip_in_network",
        category: Category::Network,
        summary: "Whether an address lies in a network.",
        parameters: &[
            TEXT,
            Parameter::text("network", "A network in CIDR form, as `10.0.0.0/8`.").checked(check_network),
        ],
        returns: Type::Boolean,
        bad_input: "NULL for what is not an address or not a network; false across IPv4 and IPv6.",
        examples: &[
            Example::new("ip_in_network('10.1.2.3', '10.0.0.0/8')", "true"),
            Example::new("ip_in_network('2001:db8::1', '10.0.0.0/8')", "false"),
            Example::new("ip_in_network('here', '10.0.0.0/8')", "NULL"),
        ],
        compute: |arguments| {
            let text = arguments.text(0)?;
            let mut network = Compiled::new(arguments.text(1)?, |network| network.parse::<IpNet>().ok());
            arguments.booleans(|row| Some(network.at(row)?.contains(&text.at(row)?.parse::<IpAddr>().ok()?)))
        },
    },
];

fn check_network(network: &str) -> Result<(), String> {
    let problem = |_| format!("`{network}` is not a network; write it in CIDR form, as '10.0.0.0/8'");
    network.parse::<IpNet>().map(drop).map_err(problem)
}
