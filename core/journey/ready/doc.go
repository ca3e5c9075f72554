// Package ready holds journeys that shops and sellers want alike: onboarding,
// nurturing, reactivation, cross-selling, left carts, behaviour, loyalty, a newsletter's
// welcome, replenishment. Each is data: a definition of core/journey in which
// templates, segments, pools of coupons and some values are named by placeholders,
// "$template.welcome", and a list of what has to be there for them. Whoever installs
// one makes or chooses these and fills in their ids.
//
// To add a journey: a file in library/, and a test of its exact sends.
package ready
