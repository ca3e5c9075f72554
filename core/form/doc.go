// Package form takes what visitors write into forms.
//
// A Form has a draft and the version that is published. A Definition names fields, which
// may be written to traits; consents, each with the text that is agreed to; and blocks of
// text that are shown to those who meet a condition.
//
// Open shows a form to a visitor, and gives a token with the time at which it was opened:
// what is submitted sooner than a person can write, or without it, is refused. A visitor
// is known, so that fields are filled in and conditions asked, only by a link that was
// signed for them (PrefillLink); nothing is shown to whoever merely knows an address.
//
// Submit checks the answers and says what is wrong with each. It finds the person, or
// begins a profile, by the addresses and ids that were given. Then one commit makes
// everything that follows: the event "Form Submitted", the traits, the consents with
// their evidence, and the submission, whose id makes a repetition harmless. A purpose
// with double opt-in is PENDING, and the same commit queues a message to the address that was
// written, with a link to a page on which its reader confirms; so many a day at most. What
// the visitor is shown does not depend on whether the address is known.
package form
