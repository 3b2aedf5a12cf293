//! What a call answers, as one value.

use serde::{Deserialize, Serialize};

use crate::*;

macro_rules! define_response {
    ($($(#[$doc:meta])* $variant:ident($output:ty) $shape:ident;)+) => {
        /// What an operation answers, as one value; which variant, the table of operations says.
        ///
        /// Typed callers turn it into its content with `TryFrom`:
        ///
        /// ```
        /// use opsorch_schema::{Page, Response, Ticket};
        ///
        /// let response = Response::from(Page::<Ticket>::new(Vec::new()));
        /// let page: Page<Ticket> = response.try_into()?;
        /// assert!(page.is_complete());
        /// # Ok::<(), opsorch_schema::WrongResponse>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", tag = "type", content = "value")]
        #[non_exhaustive]
        pub enum Response {
            $($(#[$doc])* $variant($output),)+
            /// The change was made; there is nothing more to say.
            Done(()),
        }

        impl Response {
            /// The name of the variant, for messages.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($variant),)+
                    Self::Done(()) => "Done",
                }
            }

            /// Notes on each item which provider it came from.
            pub fn set_provider(&mut self, provider: &ProviderName) {
                match self {
                    $(Self::$variant(output) => define_response!(@set $shape output provider),)+
                    Self::Done(()) => {}
                }
            }

            /// The one thing that a change made or touched, if it says so.
            pub fn resource(&self) -> Option<Resource> {
                match self {
                    $(Self::$variant(output) => define_response!(@resource $shape output),)+
                    Self::Done(()) => None,
                }
            }
        }

        $(
            impl From<$output> for Response {
                fn from(output: $output) -> Self {
                    Self::$variant(output)
                }
            }

            impl TryFrom<Response> for $output {
                type Error = WrongResponse;

                fn try_from(response: Response) -> Result<Self, WrongResponse> {
                    match response {
                        Response::$variant(output) => Ok(output),
                        other => Err(WrongResponse { expected: stringify!($variant), found: other.name() }),
                    }
                }
            }
        )+
    };
    (@set page $output:ident $provider:ident) => {
        $output.items.iter_mut().for_each(|item| item.set_provider($provider.clone()))
    };
    (@set one $output:ident $provider:ident) => { $output.set_provider($provider.clone()) };
    (@resource page $output:ident) => {{ let _ = $output; None }};
    (@resource one $output:ident) => { Some(Resource::new($output.key(), $output.url().cloned())) };
}

define_response! {
    /// Incidents.
    Incidents(Page<Incident>) page;
    /// One incident.
    Incident(Incident) one;
    /// The timeline of an incident.
    Timeline(Page<TimelineEntry>) page;
    /// Alerts.
    Alerts(Page<Alert>) page;
    /// One alert.
    Alert(Alert) one;
    /// Log entries.
    Logs(Page<LogEntry>) page;
    /// Time series.
    Metrics(Page<MetricSeries>) page;
    /// What metrics there are.
    MetricDescriptors(Page<MetricDescriptor>) page;
    /// Tickets.
    Tickets(Page<Ticket>) page;
    /// One ticket.
    Ticket(Ticket) one;
    /// A comment that was added.
    Comment(Comment) one;
    /// A message that was sent.
    Message(MessageResult) one;
    /// Services.
    Services(Page<Service>) page;
    /// One service.
    Service(Service) one;
    /// Deployments.
    Deployments(Page<Deployment>) page;
    /// One deployment.
    Deployment(Deployment) one;
    /// Teams.
    Teams(Page<Team>) page;
    /// One team.
    Team(Team) one;
    /// People of a team.
    Members(Page<TeamMember>) page;
    /// Plans.
    Plans(Page<Plan>) page;
    /// One plan.
    Plan(Plan) one;
    /// Runs.
    Runs(Page<Run>) page;
    /// One run.
    Run(Run) one;
}

impl From<()> for Response {
    fn from((): ()) -> Self {
        Self::Done(())
    }
}

impl TryFrom<Response> for () {
    type Error = WrongResponse;

    fn try_from(response: Response) -> Result<Self, WrongResponse> {
        match response {
            Response::Done(()) => Ok(()),
            other => Err(WrongResponse { expected: "Done", found: other.name() }),
        }
    }
}

/// A provider or a layer answered with something that the operation does not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the response {expected}, got {found}")]
pub struct WrongResponse {
    expected: &'static str,
    found: &'static str,
}
