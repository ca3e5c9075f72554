package predict

import (
	"context"
	"fmt"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/predict/basket"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Product is what a model of baskets knows of one product.
type Product struct {
	store.Meta `bson:",inline"` // key: workspace/set/hash of the SKU
	Set        string           `bson:"set"`
	SKU        string           `bson:"sku"`
	Family     string           `bson:"family,omitempty"`
	Bought     int64            `bson:"bought"` // by so many people
	Related    []basket.Related `bson:"related,omitempty"`
	Rebuy      basket.Rebuy     `bson:"rebuy"`
}

func productKey(ws, set, sku string) string { return store.Key(ws, set, core.HashID("sku", sku)) }

// What a model of baskets is trained from and keeps.
const (
	MinBasketBuyers = 100 // who bought two products or more
	MinTogether     = 5   // people who bought two products, and re-buys of one
	maxRelated      = 20  // of one product
	keptSets        = 3   // of products: those of older models are deleted
)

// productBatch is how many products one commit writes.
const productBatch = 200

// baskets counts what is bought by the same people and writes the products that it finds.
func (t *training) baskets(ctx context.Context) error {
	if t.pos.Step == "cells" {
		m, err := t.count(ctx)
		if err != nil {
			return err
		}
		t.pos.Model = m
	}
	if err := t.write(ctx); err != nil {
		return err
	}
	return t.s.pruneProducts(ctx, t.ws)
}

// count reads everybody's products, and stores what belongs together.
func (t *training) count(ctx context.Context) (*Model, error) {
	now := t.s.now()
	m := &Model{Kind: Baskets, Status: Candidate, To: now, By: by(ctx), Set: store.Rest(t.run.Job().ID)}
	var pairs basket.Pairs
	var intervals basket.Intervals
	families := map[string]string{}
	first := dayOf(now)
	var last int32
	var several int64
	err := t.each(ctx, &m.Size.Barred, func(o *Outlook, days []Day) {
		h, _ := historyUntil(days, dayOf(now))
		m.Size.count(h)
		first, last = min(first, days[0].Day), max(last, h.last)
		items := o.items()
		if len(items) == 0 {
			return
		}
		skus := make([]string, len(items))
		for i, it := range items {
			skus[i] = it.SKU
			intervals.Add(it.SKU, it.Days)
			if _, have := families[it.SKU]; it.Family != "" && (have || len(families) < basket.MaxProducts) {
				families[it.SKU] = it.Family
			}
		}
		if len(skus) > 1 {
			several++
		}
		pairs.Add(skus)
	})
	if err != nil {
		return nil, err
	}
	if m.Size.Buyers > 0 {
		m.From, m.Size.Days = dayTime(first), int64(last-first)
	}
	if several < MinBasketBuyers {
		m.Status = Insufficient
		m.Missing = []string{fmt.Sprintf("%d people have bought two products; recommendations need %d", several, MinBasketBuyers)}
		return m, nil
	}
	list := pairs.Products(MinTogether, maxRelated)
	m.Size.Products = int64(len(list))
	m.Quality = map[string]float64{"pairsLost": float64(pairs.Lost())}
	covered := 0.0
	for chunk := range slices.Chunk(list, productBatch) {
		var ops []store.Op
		for _, p := range chunk {
			if len(p.Related) > 0 {
				covered++
			}
			product := &Product{
				Meta: store.Meta{ID: productKey(t.ws, m.Set, p.Product)}, Set: m.Set, SKU: p.Product, Family: families[p.Product],
				Bought: p.Bought, Related: p.Related, Rebuy: intervals.Of(p.Product),
			}
			old, err := products.Get(ctx, t.s.Store, product.ID)
			if err != nil {
				return nil, err
			}
			if old != nil { // of a run that came to its end early
				product.Meta = old.Meta
			}
			ops = append(ops, products.Put(product))
		}
		if err := t.run.Step(ctx, t.pos.Done, 0, nil, ops...); err != nil {
			return nil, err
		}
	}
	m.Quality["covered"] = covered / max(float64(len(list)), 1)
	return m, nil
}

// pruneProducts deletes the products of models of which there are later ones.
func (s *Service) pruneProducts(ctx context.Context, ws string) error {
	models, err := Models.Find(ctx, s.Store, listQuery(ws, Baskets), 50)
	if err != nil {
		return err
	}
	kept := 0
	for _, m := range models {
		if m.Set == "" || m.Status == Active {
			continue
		}
		if kept++; kept < keptSets && (m.Status == Candidate || m.Status == Retired) {
			continue
		}
		for {
			page, err := products.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", m.Set+"/")}}, productBatch)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			ops := make([]store.Op, len(page))
			for i, p := range page {
				ops[i] = products.Delete(p)
			}
			if err := work.Commit(ctx, s.Store, ops...); err != nil && !lost(err) {
				return err
			}
		}
		m.Set = ""
		if err := work.Commit(ctx, s.Store, Models.Replace(m)); err != nil && !lost(err) {
			return err
		}
	}
	return nil
}

// Products returns a page of the products that the active model of baskets knows, those
// that most people bought first; nothing while there is none.
func (s *Service) Products(ctx context.Context, ws string, w core.Window) (store.Page[Product], error) {
	m, err := s.active(ctx, ws, Baskets)
	if err != nil || m == nil {
		return store.Page[Product]{}, work.Outward(err)
	}
	page, err := products.Page(ctx, s.Store, productsOf(ws, m), w)
	return page, work.Outward(err)
}

func productsOf(ws string, m *Model) store.Query {
	return store.Query{Workspace: ws, Where: []store.Cond{store.Eq("set", m.Set)}, Order: []string{"-bought"}}
}

// CountProducts returns how many products Products lists.
func (s *Service) CountProducts(ctx context.Context, ws string) (int64, error) {
	m, err := s.active(ctx, ws, Baskets)
	if err != nil || m == nil {
		return 0, work.Outward(err)
	}
	n, err := products.Count(ctx, s.Store, productsOf(ws, m))
	return n, work.Outward(err)
}
