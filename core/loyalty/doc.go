// Package loyalty keeps what a shop owes its customers: coupons, points, the tiers
// that points lead to, and invitations.
//
// # Coupons
//
// A pool holds codes of one offer: uploaded, made in advance, or made on demand. A
// code is unique in its workspace, for its document's key is the code. Assign gives
// one to a person under a key of the caller's (a journey's enrollment, node and
// visit), and the same key gets the same coupon for ever, so that a retry costs
// nothing. A free code is found by a random number that its document holds while it is
// free: one look into an index, however many millions there are, and those who take
// codes at once rarely reach for the same one. Redeem uses a coupon up, once.
//
// # Points
//
// The ledger is the events "Points Earned", "Points Spent" and "Points Expired" of a
// person. Each has a message id made of the caller's key, so that a repetition changes
// nothing. The account and its entries are folded from them in the commit of the event
// (Derive), merged and parted with profiles. Points are spent from those that expire
// first. A spend is refused when the balance is less, and spends of one account exclude
// each other by the version of its guard.
//
// Tiers follow from the points of a period. What changes because time passes is found
// by the sweep, which looks only at accounts that are due; it commits "Points Expired"
// and "Tier Changed", each once.
package loyalty
