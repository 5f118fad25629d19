//! Countries by their two-letter ISO 3166-1 code, so that a place in a brief can be told from a misspelt one.

/// The code, in capitals, of a country given by its code or its English name, in any case.
pub(super) fn code(text: &str) -> Option<&'static str> {
    all()
        .find(|(code, names)| {
            code.eq_ignore_ascii_case(text) || names.split('/').any(|name| name.to_lowercase() == text.to_lowercase())
        })
        .map(|(code, _)| code)
}

/// The usual English name of a country given by its code in any case.
pub(super) fn name(code: &str) -> Option<&'static str> {
    all().find(|(known, _)| known.eq_ignore_ascii_case(code)).and_then(|(_, names)| names.split('/').next())
}

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    COUNTRIES.split("; ").filter_map(|country| country.split_once(' '))
}

/// Code, then the names in use, the usual one first.
const COUNTRIES: &str = "\
    AD Andorra; AE United Arab Emirates/UAE; AF Afghanistan; AG Antigua and Barbuda; AI Anguilla; AL Albania; \
    AM Armenia; AO Angola; AQ Antarctica; AR Argentina; AS American Samoa; AT Austria; AU Australia; AW Aruba; \
    AX Åland/Åland Islands; AZ Azerbaijan; BA Bosnia and Herzegovina/Bosnia; BB Barbados; BD Bangladesh; BE Belgium; \
    BF Burkina Faso; BG Bulgaria; BH Bahrain; BI Burundi; BJ Benin; BL Saint Barthélemy; BM Bermuda; BN Brunei; \
    BO Bolivia; BQ Caribbean Netherlands; BR Brazil; BS Bahamas/The Bahamas; BT Bhutan; BV Bouvet Island; \
    BW Botswana; BY Belarus; BZ Belize; CA Canada; CC Cocos Islands; CD Democratic Republic of the Congo/DR Congo; \
    CF Central African Republic; CG Republic of the Congo/Congo; CH Switzerland; CI Côte d'Ivoire/Ivory Coast; \
    CK Cook Islands; CL Chile; CM Cameroon; CN China; CO Colombia; CR Costa Rica; CU Cuba; CV Cape Verde/Cabo Verde; \
    CW Curaçao/Curacao; CX Christmas Island; CY Cyprus; CZ Czechia/Czech Republic; DE Germany; DJ Djibouti; \
    DK Denmark; DM Dominica; DO Dominican Republic; DZ Algeria; EC Ecuador; EE Estonia; EG Egypt; EH Western Sahara; \
    ER Eritrea; ES Spain; ET Ethiopia; FI Finland; FJ Fiji; FK Falkland Islands; FM Micronesia; FO Faroe Islands; \
    FR France; GA Gabon; GB United Kingdom/Great Britain/Britain/UK; GD Grenada; GE Georgia; GF French Guiana; \
    GG Guernsey; GH Ghana; GI Gibraltar; GL Greenland; GM Gambia/The Gambia; GN Guinea; GP Guadeloupe; \
    GQ Equatorial Guinea; GR Greece; GS South Georgia; GT Guatemala; GU Guam; GW Guinea-Bissau; GY Guyana; \
    HK Hong Kong; HM Heard Island; HN Honduras; HR Croatia; HT Haiti; HU Hungary; ID Indonesia; \
    IE Ireland/Republic of Ireland; IL Israel; IM Isle of Man; IN India; IO British Indian Ocean Territory; IQ Iraq; \
    IR Iran; IS Iceland; IT Italy; JE Jersey; JM Jamaica; JO Jordan; JP Japan; KE Kenya; KG Kyrgyzstan; KH Cambodia; \
    KI Kiribati; KM Comoros; KN Saint Kitts and Nevis; KP North Korea; KR South Korea/Korea; KW Kuwait; \
    KY Cayman Islands; KZ Kazakhstan; LA Laos; LB Lebanon; LC Saint Lucia; LI Liechtenstein; LK Sri Lanka; \
    LR Liberia; LS Lesotho; LT Lithuania; LU Luxembourg; LV Latvia; LY Libya; MA Morocco; MC Monaco; MD Moldova; \
    ME Montenegro; MF Saint Martin; MG Madagascar; MH Marshall Islands; MK North Macedonia; ML Mali; \
    MM Myanmar/Burma; MN Mongolia; MO Macao/Macau; MP Northern Mariana Islands; MQ Martinique; MR Mauritania; \
    MS Montserrat; MT Malta; MU Mauritius; MV Maldives; MW Malawi; MX Mexico; MY Malaysia; MZ Mozambique; \
    NA Namibia; NC New Caledonia; NE Niger; NF Norfolk Island; NG Nigeria; NI Nicaragua; \
    NL Netherlands/The Netherlands/Holland; NO Norway; NP Nepal; NR Nauru; NU Niue; NZ New Zealand; OM Oman; \
    PA Panama; PE Peru; PF French Polynesia; PG Papua New Guinea; PH Philippines; PK Pakistan; PL Poland; \
    PM Saint Pierre and Miquelon; PN Pitcairn; PR Puerto Rico; PS Palestine; PT Portugal; PW Palau; PY Paraguay; \
    QA Qatar; RE Réunion/Reunion; RO Romania; RS Serbia; RU Russia/Russian Federation; RW Rwanda; SA Saudi Arabia; \
    SB Solomon Islands; SC Seychelles; SD Sudan; SE Sweden; SG Singapore; SH Saint Helena; SI Slovenia; SJ Svalbard; \
    SK Slovakia; SL Sierra Leone; SM San Marino; SN Senegal; SO Somalia; SR Suriname; SS South Sudan; \
    ST São Tomé and Príncipe/Sao Tome and Principe; SV El Salvador; SX Sint Maarten; SY Syria; \
    SZ Eswatini/Swaziland; TC Turks and Caicos Islands; TD Chad; TF French Southern Territories; TG Togo; \
    TH Thailand; TJ Tajikistan; TK Tokelau; TL Timor-Leste/East Timor; TM Turkmenistan; TN Tunisia; TO Tonga; \
    TR Türkiye/Turkey; TT Trinidad and Tobago; TV Tuvalu; TW Taiwan; TZ Tanzania; UA Ukraine; UG Uganda; \
    UM US Outlying Islands; US United States/United States of America/USA; UY Uruguay; UZ Uzbekistan; \
    VA Vatican City/Vatican; VC Saint Vincent and the Grenadines/Saint Vincent; VE Venezuela; \
    VG British Virgin Islands; VI US Virgin Islands; VN Vietnam; VU Vanuatu; WF Wallis and Futuna; WS Samoa; \
    YE Yemen; YT Mayotte; ZA South Africa; ZM Zambia; ZW Zimbabwe";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_is_found_by_code_and_by_each_of_its_names() {
        assert_eq!(all().count(), 249);
        for (expected, names) in all() {
            assert_eq!(expected.len(), 2, "{expected}");
            assert_eq!(code(expected), Some(expected));
            for each in names.split('/') {
                assert_eq!(code(each), Some(expected), "{each}");
            }
        }
        assert_eq!(code("uk"), Some("GB"));
        assert_eq!(name("at"), Some("Austria"));
        assert_eq!(code("XX"), None);
    }
}
