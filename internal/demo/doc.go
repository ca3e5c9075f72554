// Package demo makes the history of a small shop: 3,000 people over 12 months,
// with anonymous visits, signups, orders, carts, support tickets, opened and
// clicked emails and consents. Most people use two devices, so that identities
// really merge.
//
// The history is a function of the seed and the last day: the same two give the
// same events with the same message ids, so that loading it twice changes
// nothing. It is written as Segment messages and goes through the same pipeline as
// anybody's events.
package demo
