//! Places on the ellipsoid WGS 84, in degrees and metres.

use std::sync::LazyLock;

use geographiclib_rs::{Geodesic, InverseGeodesic};

use super::arguments::{Arguments, Numbers};
use super::function::{Category, Example, Function, Parameter, Type};

const LATITUDE: Parameter = Parameter::new("latitude", Type::Number, "Degrees north, -90 to 90.");
const LONGITUDE: Parameter = Parameter::new("longitude", Type::Number, "Degrees east, -180 to 180.");
const POINTS: [Parameter; 4] = [
    Parameter::new("latitude_a", Type::Number, "Degrees north of the first place, -90 to 90."),
    Parameter::new("longitude_a", Type::Number, "Degrees east of the first place, -180 to 180."),
    Parameter::new("latitude_b", Type::Number, "Degrees north of the second place."),
    Parameter::new("longitude_b", Type::Number, "Degrees east of the second place."),
];
const BAD: &str = "NULL for degrees out of range, infinite or not a number.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "geo_distance",
        category: Category::Geo,
        summary: "The length of the shortest way between two places in metres, exact to nanometres (Karney's geodesic).",
        parameters: &POINTS,
        returns: Type::Number,
        bad_input: BAD,
        examples: &[
            Example::new("CAST(geo_distance(52.5200, 13.4050, 48.8566, 2.3522) / 1000 AS BIGINT)", "879"),
            Example::new("geo_distance(10, 20, 10, 20)", "0.0"),
            Example::new("geo_distance(95, 0, 0, 0)", "NULL"),
        ],
        compute: |arguments| {
            let places = Places::new(arguments)?;
            arguments.numbers(|row| places.distance(row))
        },
    },
    Function {
        name: "geo_within",
        category: Category::Geo,
        summary: "Whether two places are at most so many metres apart.",
        parameters: &[
            POINTS[0],
            POINTS[1],
            POINTS[2],
            POINTS[3],
            Parameter::new("metres", Type::Number, "The greatest distance."),
        ],
        returns: Type::Boolean,
        bad_input: BAD,
        examples: &[
            Example::new("geo_within(52.5200, 13.4050, 52.5163, 13.3777, 2000)", "true"),
            Example::new("geo_within(52.5200, 13.4050, 48.8566, 2.3522, 500000)", "false"),
        ],
        compute: |arguments| {
            let (places, metres) = (Places::new(arguments)?, arguments.number(4)?);
            arguments.booleans(|row| Some(places.distance(row)? <= metres.at(row)?))
        },
    },
    Function {
        name: "geo_bearing",
        category: Category::Geo,
        summary: "The direction in which the shortest way from the first place to the second sets out: degrees \
                  clockwise from north, 0 to 360.",
        parameters: &POINTS,
        returns: Type::Number,
        bad_input: BAD,
        examples: &[
            Example::new("geo_bearing(0, 0, 0, 10)", "90.0"),
            Example::new("geo_bearing(0, 0, 0, -10)", "270.0"),
        ],
        compute: |arguments| {
            let places = Places::new(arguments)?;
            arguments.numbers(|row| {
                let [latitude_a, longitude_a, latitude_b, longitude_b] = places.at(row)?;
                let (azimuth, _, _): (f64, f64, f64) = WGS84.inverse(latitude_a, longitude_a, latitude_b, longitude_b);
                Some(azimuth.rem_euclid(360.0))
            })
        },
    },
    Function {
        name: "is_geo_point",
        category: Category::Geo,
        summary: "Whether two numbers are a latitude and a longitude.",
        parameters: &[LATITUDE, LONGITUDE],
        returns: Type::Boolean,
        bad_input: "false.",
        examples: &[
            Example::new("is_geo_point(52.52, 13.405)", "true"),
            Example::new("is_geo_point(13.405, 252.52)", "false"),
        ],
        compute: |arguments| {
            let (latitude, longitude) = (arguments.number(0)?, arguments.number(1)?);
            arguments.booleans(|row| Some(on_earth(latitude.at(row)?, longitude.at(row)?)))
        },
    },
];

static WGS84: LazyLock<Geodesic> = LazyLock::new(Geodesic::wgs84);

struct Places<'a>([Numbers<'a>; 4]);

impl<'a> Places<'a> {
    fn new(arguments: &Arguments<'a>) -> datafusion_common::Result<Self> {
        Ok(Self([arguments.number(0)?, arguments.number(1)?, arguments.number(2)?, arguments.number(3)?]))
    }

    fn at(&self, row: usize) -> Option<[f64; 4]> {
        let [latitude_a, longitude_a, latitude_b, longitude_b] = &self.0;
        let place = [latitude_a.at(row)?, longitude_a.at(row)?, latitude_b.at(row)?, longitude_b.at(row)?];
        (on_earth(place[0], place[1]) && on_earth(place[2], place[3])).then_some(place)
    }

    fn distance(&self, row: usize) -> Option<f64> {
        let [latitude_a, longitude_a, latitude_b, longitude_b] = self.at(row)?;
        Some(WGS84.inverse(latitude_a, longitude_a, latitude_b, longitude_b))
    }
}

fn on_earth(latitude: f64, longitude: f64) -> bool {
    (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude)
}
