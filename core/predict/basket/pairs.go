package basket

import (
	"cmp"
	"slices"
	"strings"
)

// The bounds of Pairs.
const (
	MaxProducts = 20_000    // kept apart
	MaxPairs    = 1_000_000 // counted at once
	MaxBasket   = 60        // products of one person; the first ones are taken
)

// Pairs counts which products are bought by the same people. When there are too many
// pairs those that were seen least are forgotten, and with them how often (lossy counting,
// Manku and Motwani, 2002): a count can be too low by at most Lost, never too high. The
// zero Pairs is empty.
type Pairs struct {
	people   int64
	products map[string]int32
	names    []string
	bought   []int64
	pairs    map[[2]int32]int64
	lost     int64
	maxPairs int
}

// People returns how many were added.
func (p *Pairs) People() int64 { return p.people }

// Lost returns by how much the count of a pair may be too low.
func (p *Pairs) Lost() int64 { return p.lost }

// Add counts what one person has bought, each product once.
func (p *Pairs) Add(products []string) {
	if p.products == nil {
		p.products, p.pairs = map[string]int32{}, map[[2]int32]int64{}
	}
	if p.maxPairs == 0 {
		p.maxPairs = MaxPairs
	}
	p.people++
	ids := make([]int32, 0, min(len(products), MaxBasket))
	for _, name := range products {
		id, ok := p.products[name]
		if !ok {
			if len(p.names) >= MaxProducts {
				continue
			}
			id = int32(len(p.names))
			name = strings.Clone(name)
			p.products[name], p.names, p.bought = id, append(p.names, name), append(p.bought, 0)
		}
		if len(ids) < MaxBasket && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for i, a := range ids {
		p.bought[a]++
		for _, b := range ids[i+1:] {
			p.pairs[[2]int32{a, b}]++
		}
	}
	for len(p.pairs) > p.maxPairs {
		p.lost++
		for k, n := range p.pairs {
			if n == 1 {
				delete(p.pairs, k)
			} else {
				p.pairs[k] = n - 1
			}
		}
	}
}

// Related is how a product belongs to another.
type Related struct {
	Product string  `bson:"product"`
	Both    int64   `bson:"both"`    // people who bought the two
	Lift    float64 `bson:"lift"`    // how much likelier people are to buy it who bought the other; 1 is no likelier
	Jaccard float64 `bson:"jaccard"` // of the people who bought one of the two, the share who bought both
	Share   float64 `bson:"share"`   // of the people who bought the other, the share who bought this one
}

// Product is what belongs to one product.
type Product struct {
	Product string
	Bought  int64 // by so many people
	Related []Related
}

// Lift returns P(a and b) / (P(a) P(b)).
func Lift(both, a, b, people int64) float64 {
	return float64(both) * float64(people) / (float64(a) * float64(b))
}

// Jaccard returns the share who bought both, of those who bought either.
func Jaccard(both, a, b int64) float64 { return float64(both) / float64(a+b-both) }

// Products returns each product with at most top others that at least support people
// bought together with it and that are likelier with it than without: by Jaccard's index,
// then by lift and name. Lift alone would put first what two people have bought.
func (p *Pairs) Products(support int64, top int) []Product {
	related := make([][]Related, len(p.names))
	for k, n := range p.pairs {
		if n < support {
			continue
		}
		a, b := k[0], k[1]
		lift := Lift(n, p.bought[a], p.bought[b], p.people)
		if lift <= 1 {
			continue
		}
		j := Jaccard(n, p.bought[a], p.bought[b])
		related[a] = append(related[a], Related{p.names[b], n, lift, j, float64(n) / float64(p.bought[a])})
		related[b] = append(related[b], Related{p.names[a], n, lift, j, float64(n) / float64(p.bought[b])})
	}
	out := make([]Product, len(p.names))
	for i, name := range p.names {
		list := related[i]
		slices.SortFunc(list, func(x, y Related) int {
			return cmp.Or(-cmp.Compare(x.Jaccard, y.Jaccard), -cmp.Compare(x.Lift, y.Lift), strings.Compare(x.Product, y.Product))
		})
		out[i] = Product{Product: name, Bought: p.bought[i], Related: slices.Clone(list[:min(len(list), top)])}
	}
	slices.SortFunc(out, func(a, b Product) int { return strings.Compare(a.Product, b.Product) })
	return out
}
