// Package core holds the few words that every floor of Headwater shares: typed
// identifiers, one error type, the clock, pages, data categories, and who acts
// for which purpose. It imports the standard library only, so that nothing can
// come up from below it.
package core
