//! Which column of a list is what.

use leadflow_activities::config::document::nearest;

/// What a column can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Email,
    Linkedin,
    FirstName,
    LastName,
    /// First and last name in one.
    Name,
    Role,
    Business,
    /// Web address or domain of the business.
    Website,
    City,
    Region,
    Country,
    Score,
    Reason,
    Hook,
    Timezone,
}

/// Each field, its name, and other headers that mean it.
const FIELDS: [(Field, &str, &[&str]); 15] = [
    (Field::Email, "email", &["e_mail", "email_address", "e_mail_address", "work_email", "business_email", "mail"]),
    (
        Field::Linkedin,
        "linkedin",
        &[
            "linkedin_url",
            "linkedin_profile",
            "linkedin_profile_url",
            "linkedin_id",
            "profile_url",
            "person_linkedin_url",
        ],
    ),
    (Field::FirstName, "first_name", &["firstname", "first", "given_name", "forename"]),
    (Field::LastName, "last_name", &["lastname", "last", "surname", "family_name"]),
    (Field::Name, "name", &["full_name", "fullname", "contact", "contact_name"]),
    (Field::Role, "role", &["title", "job_title", "jobtitle", "position"]),
    (
        Field::Business,
        "business",
        &["company", "company_name", "organization", "organisation", "organization_name", "employer", "account_name"],
    ),
    (Field::Website, "website", &["domain", "url", "web", "company_website", "company_domain", "company_url"]),
    (Field::City, "city", &["town"]),
    (Field::Region, "region", &["state", "province", "county"]),
    (Field::Country, "country", &["country_code"]),
    (Field::Score, "score", &["lead_score"]),
    (Field::Reason, "reason", &["why"]),
    (Field::Hook, "hook", &["icebreaker", "opener"]),
    (Field::Timezone, "timezone", &["time_zone", "tz"]),
];

/// The field of each column; `None` for one that is not used.
#[derive(Debug)]
pub(super) struct Columns(Vec<Option<Field>>);

impl Columns {
    /// `maps` are `COLUMN=FIELD`, and win over what a header says. Of two columns for one field the first is used.
    pub(super) fn of(header: &[String], maps: &[String]) -> Result<Self, String> {
        let mut columns = Self(vec![None; header.len()]);
        for map in maps {
            let (column, field) = map.rsplit_once('=').ok_or_else(|| {
                format!(
                    "--map: `{map}` is not in the form COLUMN=FIELD\nhint: write for example `--map Firma=business`"
                )
            })?;
            let index = header.iter().position(|name| plain(name) == plain(column)).ok_or_else(|| {
                format!("--map: the file has no column `{column}`\nhint: its columns are {}", header.join(", "))
            })?;
            let field = Field::named(&plain(field)).ok_or_else(|| {
                let near = nearest(field, FIELDS.map(|(_, name, _)| name));
                let hint = near.map_or_else(
                    || format!("the fields are {}", FIELDS.map(|(_, name, _)| name).join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                format!("--map: there is no field `{field}`\nhint: {hint}")
            })?;
            columns.0[index] = Some(field);
        }
        for (index, name) in header.iter().enumerate() {
            if let Some(field) = Field::meant_by(&plain(name))
                && columns.0[index].is_none()
                && columns.index(field).is_none()
            {
                columns.0[index] = Some(field);
            }
        }
        if columns.index(Field::Email).is_none() && columns.index(Field::Linkedin).is_none() {
            return Err(format!(
                "no column holds an email address or a LinkedIn profile; the columns are {}\nhint: name one with --map, for \
                 example `--map \"Contact address=email\"`",
                header.join(", ")
            ));
        }
        Ok(columns)
    }

    pub(super) fn index(&self, field: Field) -> Option<usize> {
        self.0.iter().position(|used| *used == Some(field))
    }

    /// Headers with the names of their fields.
    pub(super) fn named(&self, header: &[String]) -> Vec<(String, &'static str)> {
        let used = header.iter().zip(&self.0);
        used.filter_map(|(name, field)| field.map(|field| (name.clone(), field.name()))).collect()
    }

    pub(super) fn unused(&self, header: &[String]) -> Vec<String> {
        header.iter().zip(&self.0).filter(|(_, field)| field.is_none()).map(|(name, _)| name.clone()).collect()
    }
}

impl Field {
    pub(super) fn name(self) -> &'static str {
        FIELDS.iter().find(|(field, ..)| *field == self).map_or("", |(_, name, _)| name)
    }

    fn named(name: &str) -> Option<Self> {
        FIELDS.iter().find(|(_, known, _)| *known == name).map(|(field, ..)| *field)
    }

    fn meant_by(header: &str) -> Option<Self> {
        let mut fields = FIELDS.iter();
        fields.find(|(_, name, others)| *name == header || others.contains(&header)).map(|(field, ..)| *field)
    }
}

/// `E-Mail Address` as `e_mail_address`.
fn plain(header: &str) -> String {
    let words = header.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}
