// Package klaviyo connects Klaviyo: profiles, events, list memberships and
// consents go in, profiles, events and withdrawals come out, and people are forgotten.
//
// # Consent
//
// Writing a profile never subscribes anybody, and neither does putting somebody on a
// list. A subscription is carried by SetConsents only, and because the vendor's
// subscription lifts a person's own unsubscribe, only when it is fresh: when the person
// agreed after the last withdrawal that the host knows of, and after the last one that the vendor
// knows of.
//
// # Speed
//
// A few profiles go one by one, each with its id and time in the result; many go as a
// job, which tells failures one by one but neither ids nor times.
package klaviyo
