package basket

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLiftAndJaccard(t *testing.T) {
	// 1000 people; 100 bought a, 50 b, 20 both: 20·1000/(100·50) = 4, 20/130.
	require.InDelta(t, 4, Lift(20, 100, 50, 1000), 1e-12)
	require.InDelta(t, 20.0/130, Jaccard(20, 100, 50), 1e-12)
}

func TestRelatedProducts(t *testing.T) {
	var p Pairs
	for range 20 {
		p.Add([]string{"mattress", "sheets", "mattress"})
	}
	for range 10 {
		p.Add([]string{"mattress"})
		p.Add([]string{"sheets"})
	}
	for range 2 {
		p.Add([]string{"mattress", "candle"})
	}
	for range 58 {
		p.Add([]string{"lamp"})
	}
	require.Equal(t, int64(100), p.People())
	all := p.Products(3, 5)
	require.Len(t, all, 4)
	require.Equal(t, Product{"mattress", 32, []Related{{"sheets", 20, 20.0 * 100 / (32 * 30), 20.0 / 42, 20.0 / 32}}}, all[2])
	require.Empty(t, all[0].Related, "two people are too few")
	require.Empty(t, all[1].Related)
}

func TestPairsAreBounded(t *testing.T) {
	p := Pairs{maxPairs: 500}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		basket := []string{}
		for range 4 {
			basket = append(basket, fmt.Sprint("rare", rng.IntN(2000)))
		}
		if rng.IntN(2) == 0 {
			basket = append(basket, "bread", "butter")
		}
		p.Add(basket)
	}
	require.LessOrEqual(t, len(p.pairs), 500)
	require.Positive(t, p.Lost())
	for _, product := range p.Products(1000, 3) {
		if product.Product == "bread" {
			require.Equal(t, "butter", product.Related[0].Product)
			require.InDelta(t, float64(product.Bought), float64(product.Related[0].Both+p.Lost()), float64(p.Lost()))
			require.LessOrEqual(t, product.Related[0].Both, product.Bought)
			return
		}
	}
	t.Fatal("what is bought often is not forgotten")
}

func TestRebuyIntervals(t *testing.T) {
	var i Intervals
	i.Add("coffee", []int32{0, 30, 58, 90}) // 30, 28, 32
	i.Add("coffee", []int32{10, 41})        // 31
	i.Add("coffee", []int32{10})
	i.Add("bed", []int32{5})
	require.Equal(t, Rebuy{Times: 4, Low: 29, Median: 30.5, High: 31.5}, i.Of("coffee"))
	require.Equal(t, Rebuy{}, i.Of("bed"))
	i.Add("coffee", []int32{0, 300})
	require.Equal(t, 31.0, i.Of("coffee").Median)
	i.Add("car", []int32{0, 5000})
	require.Equal(t, float64(MaxDays), i.Of("car").Median)
}
