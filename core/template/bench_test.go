package template

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// typical is a cart reminder: a greeting, a list of lines, a coupon, links.
const typical = `<p>Hello {{ profile.firstName | default: "there" | capitalize }},</p>
{% if event.items.size > 0 %}<table role="presentation" width="600">
{% for item in event.items %}<tr><td><img src="{{ item.image }}" alt="{{ item.name }}" width="80"></td><td>{{ item.name }}</td><td>{{ item.price | fixed: 2 }} {{ event.currency | default: "EUR" }}</td></tr>
{% endfor %}</table>{% endif %}
{% if coupon.code %}<p>Take {{ coupon.percent | default: 10 }}% off with <b>{{ coupon.code }}</b> until {{ coupon.expiresAt | date: "%e %B" }}.</p>{% endif %}
{% assign total = event.total | fixed: 2 %}<p>Total: {{ total }}</p>
<p><a href="{{ event.cartUrl }}">Back to your cart</a></p>
<p>{{ sender.name }}, {{ sender.postalAddress }}. <a href="{{ unsubscribeUrl }}">Unsubscribe</a> | <a href="{{ preferencesUrl }}">Preferences</a></p>`

func typicalData() Data {
	return Data{Roots: map[string]any{
		"profile": map[string]any{"firstName": "ana", "country": "RO"},
		"event": map[string]any{"currency": "RON", "total": 249.5, "cartUrl": "https://shop.example/cart?c=1", "items": []any{
			map[string]any{"name": "Kettle <steel>", "price": 199.5, "image": "https://shop.example/1.png"},
			map[string]any{"name": "Mug", "price": 25, "image": "https://shop.example/2.png"},
			map[string]any{"name": "Tea & honey", "price": 25, "image": "https://shop.example/3.png"},
		}},
		"coupon":         map[string]any{"code": "BACK10", "expiresAt": "2026-12-01T00:00:00Z"},
		"sender":         map[string]any{"name": "Shop", "postalAddress": "1 Main Street, Cluj"},
		"unsubscribeUrl": "https://cdp.example/u/1", "preferencesUrl": "https://cdp.example/p/1",
	}}
}

func TestTypical(t *testing.T) {
	tpl, found := Parse(typical, HTML, nil)
	require.NotNil(t, tpl, "%v", found)
	out, err := tpl.Render(t.Context(), typicalData(), true)
	require.NoError(t, err)
	require.Empty(t, out.Missing)
	require.Contains(t, out.Text, "<td>Kettle &lt;steel&gt;</td><td>199.50 RON</td>")
	require.Contains(t, out.Text, "Take 10% off with <b>BACK10</b> until  1 December.")
	require.Equal(t, 3, strings.Count(out.Text, "<tr>"))
}

func BenchmarkRender(b *testing.B) {
	tpl, _ := Parse(typical, HTML, nil)
	data := typicalData()
	b.ReportAllocs()
	began := spent()
	for b.Loop() {
		if _, err := tpl.Render(b.Context(), data, true); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "renders/s")
	b.ReportMetric(float64(b.N)/(spent()-began).Seconds(), "renders/cpu-s") // what it would be on a machine with nothing else to do
}

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		Parse(typical, HTML, nil)
	}
}
