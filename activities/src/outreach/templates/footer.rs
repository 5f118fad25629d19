//! What every email has to say of its sender.

use super::Message;
use leadflow_workflows::domain::account::CampaignSettings;
use pulldown_cmark_escape::{escape_href, escape_html};

/// The end of every email of a campaign, in both forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    pub text: String,
    pub html: String,
}

/// Postal address, where the data came from, and how to be left alone: by the link, or without one by an answer.
pub fn email_footer(settings: &CampaignSettings, unsubscribe_url: Option<&str>) -> Footer {
    let mut lines: Vec<String> = vec![];
    for line in [&settings.source_notice, &settings.postal_address].into_iter().flatten() {
        lines.extend(line.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    let mut html = String::from("<hr />\n<p>");
    for line in &lines {
        escape_html(&mut html, line).expect("a text takes any text");
        html.push_str("<br />\n");
    }
    if let Some(url) = unsubscribe_url {
        lines.push(format!("No further mail: {url}"));
        html.push_str("<a href=\"");
        escape_href(&mut html, url).expect("a text takes any text");
        html.push_str("\">No further mail</a>");
    } else {
        lines.push(BY_ANSWER.to_owned());
        html.push_str(BY_ANSWER);
    }
    html.push_str("</p>\n");
    Footer { text: lines.join("\n"), html }
}

const BY_ANSWER: &str = "Answer with STOP and you will not hear from us again.";

impl Message {
    /// The email with its footer below.
    #[must_use]
    pub fn with_footer(mut self, footer: &Footer) -> Self {
        self.text = format!("{}\n\n-- \n{}", self.text, footer.text);
        self.html = self.html.map(|html| html + &footer.html);
        self
    }
}
