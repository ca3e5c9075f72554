// Package attribution says what conversions are owed to: it shares the credit of each
// among the touchpoints before it.
//
// Weights, Chain and Tally are the models, pure functions: first, last, linear,
// position, time decay, Markov removal and Shapley. Whatever the model, the credit adds
// up to the conversions, and to their value to the cent.
package attribution
