package benchmark

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/headwater-cdp/headwater/core/predict/btyd"
)

// predictions measures what models of orders cost: the fit to as many people as the
// large store has, what is predicted of one of them, and what of them is kept in memory.
func predictions(_ context.Context, o Options) error {
	model, spend := btyd.Params{R: 0.6, Alpha: 60, A: 0.8, B: 2.5}, btyd.Spend{P: 6.25, Q: 3.74, Gamma: 15.44}
	people := o.size().large
	rng := rand.New(rand.NewPCG(7, 8))
	gather := func(people int) (*btyd.Cells, float64) {
		before := heap()
		cells := &btyd.Cells{}
		for range people {
			cells.Add(model.Simulate(rng, 30+rng.Int64N(700)))
		}
		return cells, heap() - before
	}
	_, few := gather(people / 10)
	cells, kept := gather(people)
	l := Line{Bench: "predict.cells", Value: kept, Unit: "bytes"}.beside(fmt.Sprintf("%.0f bytes for a tenth of the %d people", few, people), few)
	if err := o.Report.Add(l); err != nil {
		return err
	}

	list := cells.Cells(7)
	began := time.Now()
	fitted, _, err := btyd.Fit(list)
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	met := took < 10
	l = Line{Bench: "predict.fit", Value: took, Unit: "s", Against: fmt.Sprintf("%d people in %d cells", people, len(list)), Target: "< 10 for 1,000,000", Met: &met}
	if err := o.Report.Add(l); err != nil {
		return err
	}

	customers := make([]btyd.Customer, 10_000)
	for i := range customers {
		x, tx, t := model.Simulate(rng, 30+rng.Int64N(700))
		customers[i] = btyd.Customer{X: float64(x), TX: float64(tx) / 7, T: float64(t) / 7}
	}
	scored, sum := 0, 0.0
	for began = time.Now(); time.Since(began) < o.size().turn; {
		for _, c := range customers {
			sum += fitted.DiscountedOrders(c, 52, 0.002)*spend.Expected(c.X, 30) + fitted.Expected(c, 13) + fitted.NextOrder(c, 0.5) + fitted.PAlive(c)
		}
		scored += len(customers)
	}
	rate := float64(scored) / time.Since(began).Seconds()
	met = rate >= 200_000 && sum > 0
	return o.Report.Add(Line{Bench: "predict.score", Value: rate, Unit: "people/s", Against: "one processor: clv, orders, next order and churn", Target: ">= 200000", Met: &met})
}

// heap returns how many bytes are in use after a collection.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
