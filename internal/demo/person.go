package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// person is one shopper and the devices they use.
type person struct {
	n             int
	rng           *rand.Rand
	given, family string
	place         place
	city          string
	devices       []device
	signup        time.Time // zero: never signs up
	first         time.Time
	loyal         bool // comes back often
	consentEmail  bool
	consentSMS    bool
	phone         string
	loyalty       string
}

// device is a browser or an app, known by an anonymous id until its user logs in.
type device struct {
	anonymousID string
	app         bool
	knownFrom   time.Time // when its user logs in on it
}

// seed makes every person independent of how many others there are.
const seed = 20250117

func newPerson(n int, from, to time.Time) *person {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	p := &person{n: n, rng: rng, loyal: rng.IntN(100) < 32}
	p.given = givenNames[rng.IntN(len(givenNames))]
	p.family = familyNames[rng.IntN(len(familyNames))]
	p.place = places[rng.IntN(len(places))]
	p.city = p.place.cities[rng.IntN(len(p.place.cities))]
	span := to.Sub(from)
	p.first = from.Add(time.Duration(rng.Int64N(int64(span))))
	if rng.IntN(100) < 68 {
		p.signup = p.first.Add(time.Duration(rng.Int64N(int64(20 * 24 * time.Hour))))
		if p.signup.After(to) {
			p.signup = time.Time{}
		}
	}
	p.consentEmail = rng.IntN(100) < 61
	p.consentSMS = rng.IntN(100) < 18
	if n < 900 && rng.IntN(100) < 40 {
		// Ofcom keeps 07700 900000 to 900999 free for drama: no real person has one.
		p.phone = fmt.Sprintf("+447700900%03d", n)
	}
	p.loyalty = []string{"bronze", "bronze", "bronze", "silver", "gold"}[rng.IntN(5)]
	p.devices = append(p.devices, device{anonymousID: p.uuid("web"), knownFrom: p.signup})
	if rng.IntN(100) < 70 {
		d := device{anonymousID: p.uuid("app"), app: true}
		if !p.signup.IsZero() {
			d.knownFrom = p.signup.Add(time.Duration(rng.Int64N(int64(40 * 24 * time.Hour))))
		}
		p.devices = append(p.devices, d)
	}
	return p
}

// uuid is a random-looking id that depends on the person only.
func (p *person) uuid(kind string) string {
	r := rand.New(rand.NewPCG(seed^uint64(len(kind))<<32^uint64(kind[0]), uint64(p.n)))
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", uint32(a), uint16(a>>32), uint16(a>>48)&0xfff, uint16(b)&0xfff, b>>16)
}

func (p *person) userID() string { return fmt.Sprintf("shopper-%05d", p.n) }

// email is under example.com, which nobody can own (RFC 2606).
func (p *person) email() string {
	fold := strings.NewReplacer("ă", "a", "ș", "s", "ț", "t", "é", "e", "è", "e", "ë", "e", "ü", "u", "á", "a")
	return fold.Replace(strings.ToLower(fmt.Sprintf("%s.%s.%d@example.com", p.given, p.family, p.n)))
}

func (p *person) traits() map[string]any {
	t := map[string]any{
		"email": p.email(), "firstName": p.given, "lastName": p.family,
		"createdAt": p.signup.Format(time.RFC3339),
		"address":   map[string]any{"city": p.city, "country": p.place.country},
		"locale":    p.place.locale, "timezone": p.place.timezone,
		"loyaltyTier": p.loyalty,
	}
	if p.phone != "" {
		t["phone"] = p.phone
	}
	return t
}
