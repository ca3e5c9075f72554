// Package btyd says how often and for how much people will buy again, from three
// numbers of each: how often they came back, when last, and for how long they have been
// customers ("buy till you die").
//
// Orders follow the BG/NBD model (Fader, Hardie and Lee, "Counting Your Customers the
// Easy Way: An Alternative to the Pareto/NBD Model", Marketing Science 24(2), 2005): an
// active customer orders at random at a rate that differs between customers as a gamma
// distribution (shape r, rate alpha), and after each order leaves for good with a chance
// that differs as a beta distribution (a, b). What orders are worth follows the
// Gamma-Gamma model (Fader and Hardie, "The Gamma-Gamma Model of Monetary Value", 2013),
// which takes the value of orders and their number as independent.
//
// Everything here is a pure function of its arguments. Times are in one unit throughout,
// whichever it is; parameters that were fitted to weeks want weeks.
package btyd
