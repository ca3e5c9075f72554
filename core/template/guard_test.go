package template

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

// refused parses a source that must be refused, and returns the first finding.
func refused(t *testing.T, kind Kind, source string) Finding {
	t.Helper()
	tpl, found := Parse(source, kind, nil)
	require.Nil(t, tpl, "%q was taken", source)
	require.NotEmpty(t, found)
	return found[0]
}

func parsed(t *testing.T, kind Kind, source string) *Template {
	t.Helper()
	tpl, found := Parse(source, kind, nil)
	require.NotNil(t, tpl, "%v", found)
	return tpl
}

func rendered(t *testing.T, kind Kind, source string, roots map[string]any) string {
	t.Helper()
	out, err := parsed(t, kind, source).Render(t.Context(), Data{Roots: roots}, false)
	require.NoError(t, err)
	return out.Text
}

func TestRefusedAtSave(t *testing.T) {
	for _, c := range []struct {
		source, code string
		line, column int
	}{
		{"a\nb {% foo %}", CodeUnknownTag, 2, 3},
		{"{% include 'secret' %}", CodeUnknownTag, 1, 1},
		{"{% render 'secret' %}", CodeUnknownTag, 1, 1},
		{"{% _out 0 %}", CodeUnknownTag, 1, 1},
		{"x\n\n ţ{{ profile.name | upcas }}", CodeUnknownFilter, 3, 21},
		{"{{ profile | type }}", CodeUnknownFilter, 1, 14},
		{"{{ profile.name | safe }}", CodeUnknownFilter, 1, 19},
		{"{{ profile. }}", CodeSyntax, 1, 12},
		{"{{ profile.name | append }}", CodeSyntax, 1, 19},
		{"{{ profile.name | upcase: 3 }}", CodeSyntax, 1, 19},
		{"{{ 'open }}", CodeSyntax, 1, 4},
		{"{{ open", CodeSyntax, 1, 1},
		{"{% if %}x{% endif %}", CodeSyntax, 1, 1},
		{"{% if profile.x %}", CodeSyntax, 1, 1},
		{"{% endif %}", CodeSyntax, 1, 1},
		{"{% for x in event.items %}{% endif %}", CodeSyntax, 1, 27},
		{"{% break %}", CodeSyntax, 1, 1},
		{"{{ (1..1000000) }}", CodeRange, 1, 4},
		{"{% assign r = (1..9) %}", CodeRange, 1, 15},
		{"{% for i in (1..1000000) %}{% endfor %}", CodeRange, 1, 13},
		{"{% assign profile = 1 %}", CodeShadow, 1, 11},
		{"{% capture event %}{% endcapture %}", CodeShadow, 1, 12},
		{"{% for coupon in event.items %}{% endfor %}", CodeShadow, 1, 8},
		{`{% block "none" %}`, CodeUnknownBlock, 1, 10},
		{`{% if profile.x %}{% object o = "order" id: event.id %}{% endif %}`, CodeLookup, 1, 19},
		{`{% object o = "order" %}`, CodeLookup, 1, 11},
		{"{{ 99999999999999999999 | plus: 1 }}", CodeSyntax, 1, 4},
		{"{{ profile.a" + strings.Repeat(" | upcase", MaxFilters+1) + " }}", CodeSyntax, 1, 0},
		{strings.Repeat("{% if profile.x %}", MaxDepth+1) + strings.Repeat("{% endif %}", MaxDepth+1), CodeLimit, 1, 0},
		{strings.Repeat("{{ now }}", MaxNodes+1), CodeLimit, 1, 0},
		{strings.Repeat("x", MaxSource+1), CodeLimit, 1, 1},
	} {
		f := refused(t, Text, c.source)
		require.Equal(t, c.code, f.Code, "%.80s: %s", c.source, f.Message)
		require.Equal(t, c.line, f.Line, "%.80s", c.source)
		if c.column > 0 {
			require.Equal(t, c.column, f.Column, "%.80s: %s", c.source, f.Message)
		}
		require.NotContains(t, f.Message, "%!")
	}
}

func TestPlaces(t *testing.T) {
	for _, source := range []string{
		`<a href={{ event.url }}>x</a>`, `<a {{ event.attrs }}>x</a>`, `<{{ event.tag }}>`, `<script>var x = "{{ event.x }}"</script>`,
		`<a onclick="go('{{ event.x }}')">x</a>`, `<iframe srcdoc="{{ event.x }}">`, `<a href = {{ event.url }}>`,
	} {
		require.Equal(t, CodeUnsafePlace, refused(t, HTML, source).Code, source)
	}
	evil := map[string]any{"event": map[string]any{"x": `"><script>alert('1')</script>&`, "url": "javascript:alert(1)", "ok": "https://shop.example/?a=1&b=2", "colour": `red;background:url("x")`}}
	require.Equal(t, `<p title="&#34;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;">`, rendered(t, HTML, `<p title="{{ event.x }}">`, evil))
	require.Equal(t, `<a href="#">`, rendered(t, HTML, `<a href="{{ event.url }}">`, evil))
	require.Equal(t, `<a href='#'>`, rendered(t, HTML, `<a href='{{ event.url }}'>`, evil))
	require.Equal(t, `<a href="https://shop.example/?a=1&amp;b=2">`, rendered(t, HTML, `<a href="{{ event.ok }}">`, evil))
	require.Equal(t, `<a href="https://x/javascript:alert(1)">`, rendered(t, HTML, `<a href="https://x/{{ event.url }}">`, evil))
	require.Equal(t, `<p style="color:redbackgroundurlx">`, rendered(t, HTML, `<p style="color:{{ event.colour }}">`, evil))
	require.Equal(t, `<!--[if mso]><v:rect href="#"><![endif]-->`, rendered(t, HTML, `<!--[if mso]><v:rect href="{{ event.url }}"><![endif]-->`, evil))
	// Captured markup was escaped when it was captured, and is not again.
	require.Equal(t, "<b>&lt;i&gt;</b>", rendered(t, HTML, "{% capture b %}<b>{{ event.x }}</b>{% endcapture %}{{ b }}", map[string]any{"event": map[string]any{"x": "<i>"}}))
	require.Equal(t, `<p title="&lt;b&gt;">`, rendered(t, HTML, `{% capture b %}<b>{% endcapture %}<p title="{{ b }}">`, nil))
	require.Equal(t, "&lt;i&gt;<br />\n2", rendered(t, HTML, "{{ event.x | newline_to_br }}", map[string]any{"event": map[string]any{"x": "<i>\n2"}}))
	require.Equal(t, "&lt;i&gt;", rendered(t, HTML, "{{ event.x | escape }}", map[string]any{"event": map[string]any{"x": "<i>"}}))
	require.Equal(t, "<i>", rendered(t, Text, "{{ event.x }}", map[string]any{"event": map[string]any{"x": "<i>"}}))
}

func TestNoHeaderInjection(t *testing.T) {
	for _, evil := range []string{"x\r\nBcc: all@example.com", "x\nBcc: y", "x\u2028Bcc: y", "x\x00y", "x\u0085Bcc: y", "\r\n\r\nbody"} {
		out := rendered(t, Line, "Hello {{ profile.name }}", map[string]any{"profile": map[string]any{"name": evil}})
		require.False(t, strings.ContainsFunc(out, isControl), "%q", out)
	}
	require.Len(t, []rune(rendered(t, Line, "{{ event.x }}", map[string]any{"event": map[string]any{"x": strings.Repeat("ţ", 2000)}})), MaxLine)
	require.Equal(t, "a\nb\tc", rendered(t, Text, "{{ event.x }}", map[string]any{"event": map[string]any{"x": "a\r\nb\tc\x1b\x00"}}))
}

func TestBoundedRenders(t *testing.T) {
	big := strings.Repeat("x", MaxValue)
	many := make([]any, MaxElements)
	for i := range many {
		many[i] = map[string]any{"a": i}
	}
	data := Data{Roots: map[string]any{"event": map[string]any{"big": big, "many": many, "n": 1 << 60}}}
	nested := strings.Repeat("{% for i in (1..1000) %}", 4) + "x" + strings.Repeat("{% endfor %}", 4)
	for name, source := range map[string]string{
		"loops in loops":       nested,
		"an empty loop":        "{% for i in (1..event.n) %}{% endfor %}",
		"a loop of conditions": "{% for i in event.many %}{% for j in event.many %}{% if event.big contains 'y' %}{% endif %}{% endfor %}{% endfor %}",
		"output":               "{% for i in (1..100) %}{{ event.big }}{% endfor %}",
		"doubling":             "{% assign s = 'xx' %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}",
		"doubling by capture":  "{% assign s = 'xx' %}{% for i in (1..60) %}{% capture s %}{{ s }}{{ s }}{% endcapture %}{% endfor %}",
		"replacing":            "{{ event.big | replace: 'x', event.big }}",
		"joining":              "{{ event.many | join: event.big }}",
		"concatenating":        "{% assign a = event.many %}{% for i in (1..60) %}{% assign a = a | concat: a %}{% endfor %}",
		"encoding":             "{% assign s = event.big %}{% for i in (1..60) %}{% assign s = s | url_encode | base64_encode %}{% endfor %}",
		"a wide date":          "{{ '2026-01-01' | date: '%9000000d' }}",
	} {
		began := time.Now()
		_, err := parsed(t, Text, source).Render(t.Context(), data, false)
		require.Error(t, err, name)
		require.Equal(t, core.Invalid, core.CodeOf(err), name)
		require.Less(t, time.Since(began), 3*time.Second, name)
		require.Less(t, len(err.Error()), 300, name)
	}
}

func TestRenderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := parsed(t, Text, "{% for i in (1..1000) %}x{% endfor %}").Render(ctx, Data{}, false)
	require.Equal(t, core.Unavailable, core.CodeOf(err))
}

// Errors say where, and nothing of the data.
func TestErrorsHoldNoValues(t *testing.T) {
	secret := map[string]any{"profile": map[string]any{"email": "ana@example.com", "list": []any{"ana@example.com"}, "m": map[string]any{"a": "ana@example.com"}}}
	for _, source := range []string{
		"{{ profile.email | fixed: 2 }}", "{{ profile.email | floor }}", "\n{{ profile.email | divided_by: 0 }}", "{{ profile.email | date: profile.email, profile.email }}",
		"{% for x in profile.list limit: profile.email %}{% endfor %}", "{{ profile.email | slice: profile.email }}", "{{ profile.m | abs }}",
		"{% if profile.m contains profile.list %}{% endif %}{{ profile.email | round: profile.email }}", "{{ profile.email | slice: 0, -4 }}",
	} {
		_, err := parsed(t, Text, source).Render(t.Context(), Data{Roots: secret}, false)
		if err == nil {
			continue
		}
		require.NotContains(t, fmt.Sprintf("%+v", err), "ana@", source)
		require.NotContains(t, err.Error(), "panic")
	}
	_, err := parsed(t, Text, "\n {{ profile.email | fixed: 2 }}").Render(t.Context(), Data{Roots: secret}, false)
	require.ErrorContains(t, err, "line 2, column 2")
	_, err = parsed(t, Text, "{{ profile.x }}").Render(t.Context(), Data{Roots: map[string]any{"profile": struct{ X string }{"x"}}}, false)
	require.ErrorContains(t, err, ReasonData)
}

// Every filter that is known has an arity, and the other way about.
func TestArities(t *testing.T) {
	for name := range knownFilters {
		require.Contains(t, arities, name)
	}
	for name := range arities {
		require.True(t, knownFilters[name], name)
	}
}
