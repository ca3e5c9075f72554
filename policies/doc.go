// Package policies holds the rules of who may read and do what, and answers by them.
//
// A rule gives a role an effect on a category of data (or a group of categories, or a
// permission) for a purpose and those under it: "marketer ALLOW CONTACT for
// marketing". What no rule allows is denied. model.conf is the Casbin model, default.csv
// what holds until a workspace changes it; then the workspace's own list of rules
// stands in its place, whole.
//
// # Which rule decides
//
// Of the rules of one role, and of the roles that it inherits, the strictest counts:
// DENY, then MASK by a pseudonym, then MASK by a part, then ALLOW. Of several roles
// somebody has, the most generous counts, but a DENY of one is a DENY. Whoever is an
// owner keeps govern and audit whatever the rules say. No rule reaches the writing of
// the audit log: there is nothing to name it by.
//
// # How it is asked
//
// An Enforcer compiles the rules of a workspace and its register of purposes into a
// Casbin enforcer, and what that says of a set of roles under a purpose into a
// core.View: once for each revision of rules and register. Casbin's own caching
// enforcers are not used: they go on answering yes after a rule is gone. A view is
// believed for half a second, then the revision is looked at again; a change in this
// process counts at once, in others as soon as the store's watch tells of it. Where
// the rules cannot be read, the answer is an error, which every caller takes as no.
//
// # How it changes
//
// Set takes the whole list of rules, tells who gains and who loses what, and stores a
// new version; versions are kept, and Rollback makes an old one the newest. A change
// by which its author gains something waits for the approval of somebody else.
package policies
