// Package predict says what people are likely to do: how often they will order, for how
// much, when next, whether they are customers still, and what they may want to buy.
//
// Its formulas stand in btyd (orders and their value), logistic (whether somebody
// converts) and basket (what is bought together, and how soon again).
package predict
