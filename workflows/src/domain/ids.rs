//! Identifiers. Each is a UUIDv7 in text form, made where the thing is first stored.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

id!(
    /// One run of a brief.
    SearchId
);
id!(
    /// A company that was found or imported.
    BusinessId
);
id!(
    /// One person at one business, found by one search or imported.
    LeadId
);
id!(
    /// Leads, a sequence, accounts and limits that belong together.
    CampaignId
);
id!(
    /// One lead in one campaign.
    EnrollmentId
);
id!(
    /// A LinkedIn profile or mailbox that sends.
    AccountId
);
id!(
    /// One message that came back.
    ReplyId
);
id!(
    /// Whose data a row is. A self-hosted installation has one, `default`.
    TenantId
);

impl Default for TenantId {
    fn default() -> Self {
        Self("default".into())
    }
}
