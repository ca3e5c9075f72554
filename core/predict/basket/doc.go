// Package basket says which products are bought by the same people, and how long it takes
// until a product is bought again.
//
// Pairs are counted by people and not by orders: what somebody bought counts once, so
// that one who buys bread daily does not outweigh the rest. How much two products belong
// together is told by lift (Brin, Motwani and Silverstein, 1997, where it is called
// interest) and by Jaccard's index.
//
// Everything here works in a bounded amount of memory, whatever the number of people.
package basket
