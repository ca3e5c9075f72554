package benchmark

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/template"
)

// typical is a cart reminder: a greeting, a list of three lines, a coupon, five links.
const typical = `<p>Hello {{ profile.firstName | default: "there" | capitalize }},</p>
{% if event.items.size > 0 %}<table role="presentation" width="600">
{% for item in event.items %}<tr><td><img src="{{ item.image }}" alt="{{ item.name }}" width="80"></td><td>{{ item.name }}</td><td>{{ item.price | fixed: 2 }} {{ event.currency | default: "EUR" }}</td></tr>
{% endfor %}</table>{% endif %}
{% if coupon.code %}<p>Take {{ coupon.percent | default: 10 }}% off with <b>{{ coupon.code }}</b> until {{ coupon.expiresAt | date: "%e %B" }}.</p>{% endif %}
{% assign total = event.total | fixed: 2 %}<p>Total: {{ total }}</p>
<p><a href="{{ event.cartUrl }}">Back to your cart</a></p>
<p>{{ sender.name }}, {{ sender.postalAddress }}. <a href="{{ unsubscribeUrl }}">Unsubscribe</a> | <a href="{{ preferencesUrl }}">Preferences</a></p>`

func typicalData() template.Data {
	item := func(name string, price float64) map[string]any {
		return map[string]any{"name": name, "price": price, "image": "https://shop.example/1.png"}
	}
	return template.Data{Roots: map[string]any{
		"profile": map[string]any{"firstName": "ana", "country": "RO"},
		"event": map[string]any{
			"currency": "RON", "total": 249.5, "cartUrl": "https://shop.example/cart?c=1",
			"items": []any{item("Kettle <steel>", 199.5), item("Mug", 25), item("Tea & honey", 25)},
		},
		"coupon":         map[string]any{"code": "BACK10", "expiresAt": "2026-12-01T00:00:00Z"},
		"sender":         map[string]any{"name": "Shop", "postalAddress": "1 Main Street, Cluj"},
		"unsubscribeUrl": "https://cdp.example/u/1", "preferencesUrl": "https://cdp.example/p/1",
	}}
}

// render measures the rendering of a template that was parsed before, by one goroutine.
func render(o Options) error {
	t, problems := template.Parse(typical, template.HTML, nil)
	if t == nil {
		return fmt.Errorf("the template is not well: %v", problems)
	}
	data := typicalData()
	one := func() error {
		_, err := t.Render(context.Background(), data, true)
		return err
	}
	for range 1000 { // warms up
		if err := one(); err != nil {
			return err
		}
	}
	n := 0
	cpu, began := ownCPU(), time.Now()
	for time.Since(began) < min(o.size().run, 3*time.Second) {
		for range 100 {
			if err := one(); err != nil {
				return err
			}
		}
		n += 100
	}
	took, spent := time.Since(began), ownCPU()-cpu
	what := fmt.Sprintf("one core; a cart reminder of %d bytes: a greeting, three lines, a coupon, links", len(typical))
	if err := o.Report.Add(Line{Bench: "template.render", Value: float64(n) / took.Seconds(), Unit: "renders/s", Against: what}.atLeast(">= 20000", 20_000)); err != nil {
		return err
	}
	return o.Report.Add(Line{Bench: "template.render.cpu", Value: micros(spent) / float64(n), Unit: "µs/render", Against: "processor time of the process, the collector's too"})
}

// simulatedJourney is a journey with an exit by cart, a branch over a count, a wait for an event
// and three messages.
const simulatedJourney = `{"timeZone":"UTC","reentry":"ALWAYS","key":"cartId",
 "exitWhen":{"event":{"name":"Order Completed","where":[{"path":"cartId","eq":"{{ event.cartId }}"}]}},
 "nodes":[{"id":"in","step":{"entry":{"event":{"name":"Cart Updated"}}}},
 {"id":"w1","step":{"wait":{"duration":"PT1H"}}},{"id":"m1","step":{"message":{"templateId":"tpl_1","channel":"EMAIL","purpose":"marketing"}}},
 {"id":"w2","step":{"wait":{"duration":"PT23H"}}},{"id":"m2","step":{"message":{"templateId":"tpl_2","channel":"EMAIL","purpose":"marketing"}}},
 {"id":"br","step":{"branch":[{"name":"keen","where":{"event":{"name":"Product Viewed","where":[{"path":"total","gte":50}],"count":{"gte":3},"window":{"last":"P7D"}}}}]}},
 {"id":"we","step":{"wait":{"event":{"event":{"name":"Page Viewed"},"timeout":"P2D"}}}},
 {"id":"m3","step":{"message":{"templateId":"tpl_3","channel":"EMAIL","purpose":"marketing"}}}],
 "edges":[{"from":"in","to":"w1"},{"from":"w1","to":"m1"},{"from":"m1","to":"w2"},{"from":"w2","to":"m2"},{"from":"m2","to":"br"},
 {"from":"br","on":"keen","to":"m3"},{"from":"br","on":"else","to":"we"},{"from":"we","to":"m3"},{"from":"we","on":"timeout","to":"m3"}]}`

// simulate runs many people through 30 days.
func simulate(ctx context.Context, o Options) error {
	d, err := journey.ParseJSON([]byte(simulatedJourney))
	if err != nil {
		return err
	}
	p, err := journey.Compile(d, "jrn_bench")
	if err != nil {
		return err
	}
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	people, err := shoppers(o.size().inside, from)
	if err != nil {
		return err
	}
	events := 0
	for _, x := range people {
		events += len(x.Events)
	}
	cpu, began := ownCPU(), time.Now()
	s, err := journey.Simulate(ctx, p, people, journey.SimulateOptions{From: from, To: from.AddDate(0, 0, 30)})
	if err != nil {
		return err
	}
	took, spent := time.Since(began), ownCPU()-cpu
	if s.Entered == 0 {
		return fmt.Errorf("nobody entered")
	}
	what := fmt.Sprintf("%d people, %d events, %d enrollments in 30 days, all cores; the function, its people in memory", len(people), events, s.Entered)
	if err := o.Report.Add(Line{Bench: "journeys.simulate", Value: took.Seconds(), Unit: "s", Against: what}.atMost("< 10", 10)); err != nil {
		return err
	}
	return o.Report.Add(Line{Bench: "journeys.simulate.cpu", Value: spent.Seconds(), Unit: "s", Against: "processor time of the process"})
}

// crowd is people in memory.
type crowd []*journey.Person

// Each implements journey.People.
func (c crowd) Each(_ context.Context, f func(*journey.Person) error) error {
	for _, p := range c {
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// shoppers are people who look, fill carts and buy over a month, 80 events each.
func shoppers(n int, from time.Time) (crowd, error) {
	r := rand.New(rand.NewPCG(1, 2))
	names := [...]string{"Page Viewed", "Page Viewed", "Product Viewed", "Product Viewed", "Cart Updated", "Order Completed"}
	out := make(crowd, n)
	for i := range out {
		var events []*event.Event
		for now := from.Add(time.Duration(r.Int64N(int64(36 * time.Hour)))); now.Before(from.AddDate(0, 0, 30)); now = now.Add(time.Duration(r.Int64N(int64(18 * time.Hour)))) {
			properties, err := bson.Marshal(bson.D{{Key: "cartId", Value: fmt.Sprint(r.IntN(5))}, {Key: "total", Value: r.Int64N(200)}})
			if err != nil {
				return nil, err
			}
			events = append(events, &event.Event{Type: event.Track, Name: names[r.IntN(len(names))], Timestamp: now.Truncate(time.Millisecond), Properties: properties})
		}
		s := shopper(fmt.Sprint("prof_", i))
		out[i] = &journey.Person{Profile: string(s), Events: events, Facts: func(time.Time) condition.Facts { return s }}
	}
	return out, nil
}

// shopper is somebody of whom nothing but their events is known.
type shopper string

// ProfileID implements condition.Facts.
func (s shopper) ProfileID() string { return string(s) }

// Location implements condition.Facts.
func (s shopper) Location() *time.Location { return nil }

// Trait implements condition.Facts.
func (s shopper) Trait(string) (bson.RawValue, bool) { return bson.RawValue{}, false }

// Ledgers implements condition.Facts.
func (s shopper) Ledgers(string) []*condition.Ledger { return nil }

// Records implements condition.Facts.
func (s shopper) Records(_, _ string) []bson.Raw { return nil }

// Record implements condition.Facts.
func (s shopper) Record() bson.Raw { return nil }

// Member implements condition.Facts.
func (s shopper) Member(string) (time.Time, bool) { return time.Time{}, false }

// ConsentStatus implements condition.Facts.
func (s shopper) ConsentStatus(string, string, time.Time) (string, time.Time) {
	return "UNKNOWN", time.Time{}
}
