package condition

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// EarthKm is the earth's mean radius in kilometres (IUGG), by which distances are
// measured on a sphere.
const EarthKm = 6371.0088

// point is a place in radians.
type point struct{ lat, lon float64 }

// placeKeys are the names under which a value may hold its latitude and longitude.
var latitudes, longitudes = []string{"lat", "latitude"}, []string{"lon", "lng", "longitude"}

// pointOf reads {lat, lon}; the keys may also be latitude, and lng or longitude.
// False outside ±90° and ±180°.
func pointOf(v bson.RawValue) (point, bool) {
	if v.Type != bson.TypeEmbeddedDocument {
		return point{}, false
	}
	degrees := func(keys []string, most float64) (float64, bool) {
		for _, key := range keys {
			if e, ok := lookup(v.Value, key); ok {
				d, ok := ParseNumber(e)
				f, _ := d.Float64()
				return f, ok && math.Abs(f) <= most
			}
		}
		return 0, false
	}
	lat, ok := degrees(latitudes, 90)
	lon, also := degrees(longitudes, 180)
	return point{lat * math.Pi / 180, lon * math.Pi / 180}, ok && also
}

// km is the distance along the sphere, by the haversine formula.
func (p point) km(q point) float64 {
	h := math.Pow(math.Sin((q.lat-p.lat)/2), 2) + math.Cos(p.lat)*math.Cos(q.lat)*math.Pow(math.Sin((q.lon-p.lon)/2), 2)
	return 2 * EarthKm * math.Asin(math.Min(1, math.Sqrt(h)))
}

func (k *compiler) geo(n *Node, p *part) error {
	var side [3]float64
	for i, lit := range []string{n.Geo.Lat, n.Geo.Lon, n.Geo.RadiusKm} {
		d, ok := ParseDecimal(lit)
		if !ok {
			return core.Errorf(core.Invalid, "BAD_NUMBER", "lat, lon and radiusKm are decimal numbers")
		}
		side[i], _ = d.Float64()
	}
	centre, radius := point{side[0] * math.Pi / 180, side[1] * math.Pi / 180}, side[2]
	t := newTraitPath(n.Geo.Path)
	// What decides may be a register of its own: the circle asks for the parts too.
	k.needs.Traits = append(k.needs.Traits, n.Geo.Path)
	nearest := func(c call) (float64, bool) {
		best, found := math.Inf(1), false
		for _, v := range t.values(c.facts) {
			for _, v := range open(nil, v) {
				if at, ok := pointOf(v); ok {
					best, found = math.Min(best, centre.km(at)), true
				}
			}
		}
		return best, found
	}
	p.eval = func(c call) (bool, int64) {
		km, ok := nearest(c)
		return ok && km <= radius, never
	}
	p.decide = func(c call) any {
		if km, ok := nearest(c); ok {
			return map[string]any{"km": math.Round(km*1000) / 1000}
		}
		return map[string]any{"km": nil}
	}
	return nil
}
