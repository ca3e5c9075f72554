package conditiontest

import (
	"hash/fnv"
	"math"
	"math/big"

	"github.com/headwater-cdp/headwater/core/condition"
)

// bucketOf spreads ids over 10,000 buckets as BucketOf's comment says: FNV-1a of
// the salt, a NUL and the id, then MurmurHash3's last steps.
func bucketOf(id, salt string) int {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(salt + "\x00" + id))
	h := sum.Sum64()
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return int((h ^ h>>33) % 10000)
}

// earthKm is the mean radius of the earth.
const earthKm = 6371.0088

func (v view) geo(g *condition.Geo) bool {
	for _, x := range opened(at(document(v.h.Traits), segments(g.Path))) {
		m, _ := x.(map[string]any)
		lat, ok := m["lat"].(*big.Rat)
		lon, also := m["lon"].(*big.Rat)
		if !ok || !also || math.Abs(float(lat)) > 90 || math.Abs(float(lon)) > 180 {
			continue
		}
		if km(float(lat), float(lon), float(number(g.Lat)), float(number(g.Lon))) <= float(number(g.RadiusKm)) {
			return true
		}
	}
	return false
}

func float(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
}

// km is the distance along a great circle, by the angle between two vectors.
func km(lat, lon, lat2, lon2 float64) float64 {
	vector := func(lat, lon float64) [3]float64 {
		lat, lon = lat*math.Pi/180, lon*math.Pi/180
		return [3]float64{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
	}
	a, b := vector(lat, lon), vector(lat2, lon2)
	cross := [3]float64{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
	return earthKm * math.Atan2(math.Sqrt(cross[0]*cross[0]+cross[1]*cross[1]+cross[2]*cross[2]), a[0]*b[0]+a[1]*b[1]+a[2]*b[2])
}
