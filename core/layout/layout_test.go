package layout_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/headwater-cdp/headwater/core/layout"
	"github.com/headwater-cdp/headwater/core/template"
)

const full = `{"width": 640, "link": "#aa0000", "blocks": [
	{"heading": {"text": "Hello {{ profile.firstName | default: 'you & me' }}", "align": "center"}},
	{"text": {"text": "One **bold** <word>, a [link]({{ event.url }}?a=1&b=2).\n\nTwo."}},
	{"image": {"src": "/assets/ws_A/1?x=1&y=2", "alt": "A \"cat\"", "width": 5000, "href": "{{ event.url }}"}},
	{"button": {"text": "Buy", "href": "{{ event.url }}"}, "where": {"trait": {"path": "plan", "eq": "pro"}}},
	{"columns": {"columns": [
		{"blocks": [{"text": {"text": "Left"}}, {"image": {"src": "x.png", "alt": "x"}, "where": {"trait": {"path": "plan", "eq": "pro"}}}]},
		{"blocks": [{"text": {"text": "Right"}}]}]}},
	{"divider": {}},
	{"products": {"of": "event.items", "currency": "{{ event.currency | default: '' }}"}},
	{"shared": {"key": "legal"}},
	{"footer": {"address": "{{ sender.postalAddress | default: 'Main Street 1' }}"}}]}`

func compiled(t *testing.T, source string) (string, *template.Template, []string) {
	t.Helper()
	d, faults := layout.Parse(strings.Replace(source, "5000", "300", 1))
	require.Empty(t, faults)
	made, show := d.Compile("ro-RO")
	tpl, found := template.Parse(made, template.HTML, func(key string) (string, bool) { return "<p>legal</p>", key == "legal" })
	require.NotNil(t, tpl, "%v", found)
	var names []string
	for name := range show {
		names = append(names, name)
	}
	return made, tpl, names
}

func data(show bool) template.Data {
	return template.Data{Roots: map[string]any{
		"profile": map[string]any{}, "show": map[string]any{"b3": show, "b4_0_1": show},
		"event":          map[string]any{"url": "https://shop.example/", "currency": "RON", "items": []any{map[string]any{"name": "Kettle", "price": 199.5, "image": "k.png", "url": "https://shop.example/k"}, map[string]any{"name": "Mug"}}},
		"unsubscribeUrl": "https://cdp.example/u", "preferencesUrl": "https://cdp.example/p",
	}}
}

func TestLayoutSurvivesOutlook(t *testing.T) {
	_, tpl, names := compiled(t, full)
	require.ElementsMatch(t, []string{"b3", "b4_0_1"}, names)
	out, err := tpl.Render(t.Context(), data(true), true)
	require.NoError(t, err)
	require.Empty(t, out.Missing)
	checkRules(t, out.Text)
	for _, want := range []string{
		`<html lang="ro-RO">`, "Hello you &amp; me", "One <b>bold</b> &lt;word&gt;, a <a href=\"https://shop.example/?a=1&amp;b=2\"", ">Two.</p>", `alt="A &#34;cat&#34;"`,
		`width="640"`, ">Buy</a>", "199.50 RON", `<a href="https://cdp.example/u"`, `<a href="https://cdp.example/p"`, "Main Street 1", "<p>legal</p>", `<img class="hw-img" src="x.png"`,
	} {
		require.Contains(t, out.Text, want)
	}
	require.Equal(t, 1, strings.Count(out.Text, "199.50"))
	hidden, err := tpl.Render(t.Context(), data(false), true)
	require.NoError(t, err)
	require.NotContains(t, hidden.Text, ">Buy</a>")
	require.NotContains(t, hidden.Text, "x.png")
	checkRules(t, hidden.Text)
	text := template.TextOf(out.Text)
	for _, want := range []string{"Hello you & me", "Buy (https://shop.example/)", "Kettle (https://shop.example/k) 199.50 RON", "Unsubscribe (https://cdp.example/u)"} {
		require.Contains(t, text, want)
	}
}

var modern = regexp.MustCompile(`display:\s*(flex|grid)|float:|position:|calc\(|var\(`)

// checkRules holds a mail to what Outlook and its like can draw.
func checkRules(t *testing.T, source string) {
	t.Helper()
	body := source[strings.Index(source, "<body"):strings.Index(source, "</html>")]
	require.False(t, modern.MatchString(body), "what Outlook does not know")
	z := html.NewTokenizer(strings.NewReader(body))
	var open []string
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			break
		}
		tok := z.Token()
		attrs := map[string]string{}
		for _, a := range tok.Attr {
			attrs[a.Key] = a.Val
		}
		if kind == html.EndTagToken {
			require.NotEmpty(t, open)
			require.Equal(t, open[len(open)-1], tok.Data, "elements are closed in order")
			open = open[:len(open)-1]
			continue
		}
		if kind != html.StartTagToken {
			continue
		}
		require.NotEqual(t, "div", tok.Data, "a div is no box in Outlook")
		require.NotEqual(t, "script", tok.Data)
		switch tok.Data {
		case "table":
			require.Equal(t, "presentation", attrs["role"], "tables are for drawing, not for reading")
			require.Equal(t, "0", attrs["cellpadding"])
			require.Equal(t, "0", attrs["cellspacing"])
		case "img":
			require.Contains(t, attrs, "alt")
			require.Regexp(t, `^[0-9]+$`, attrs["width"], "Outlook draws pictures in their own size without the attribute")
			require.NotEmpty(t, attrs["style"])
			continue // void
		case "a":
			require.NotEmpty(t, attrs["href"])
			require.Contains(t, attrs["style"], "text-decoration", "styles stand in the elements")
		case "p", "h1", "h2", "h3":
			if !strings.Contains(tok.String(), "legal") && len(attrs) > 0 {
				require.Contains(t, attrs["style"], "margin:0")
				require.Contains(t, attrs["style"], "font-family")
			}
		case "td":
			if strings.Contains(attrs["style"], "width:") {
				require.NotEmpty(t, attrs["width"], "a width in the style alone is none")
			}
		}
		open = append(open, tok.Data)
	}
	require.Empty(t, open)
}

func TestButtonIsACellWithPadding(t *testing.T) {
	d, faults := layout.Parse(`{"blocks": [{"button": {"text": "Go", "href": "https://x"}}]}`)
	require.Empty(t, faults)
	source, _ := d.Compile("en")
	require.Regexp(t, `<td align="center" bgcolor="#0a58ca" style="[^"]*padding:12px 24px"><a href="https://x"`, source)
}

func TestLayoutFaults(t *testing.T) {
	for _, c := range []struct{ source, path string }{
		{`[]`, ""}, {`{"blocks": []}`, "blocks"}, {`{"blocks": [{}]}`, "blocks[0]"}, {`{"blocks": [{"video": {}}]}`, ""},
		{`{"blocks": [{"text": {"text": "x"}, "divider": {}}]}`, "blocks[0]"}, {`{"blocks": [{"image": {"src": "x"}}]}`, "blocks[0].image.alt"},
		{`{"width": 5000, "blocks": [{"divider": {}}]}`, "width"}, {`{"link": "red;}", "blocks": [{"divider": {}}]}`, "link"},
		{`{"font": "x\"><script>", "blocks": [{"divider": {}}]}`, "font"}, {`{"blocks": [{"products": {"of": "x %} {% y"}}]}`, "blocks[0].products.of"},
		{`{"blocks": [{"text": {"text": "x"}, "where": {"nope": 1}}]}`, "blocks[0].where"},
		{`{"blocks": [{"text": {"text": "x"}, "where": {"event": {"name": "Order Completed", "window": {"last": "P30D"}}}}]}`, "blocks[0].where"},
		{`{"blocks": [{"columns": {"columns": [{"blocks": []}]}}]}`, "blocks[0].columns"},
		{`{"blocks": [{"columns": {"columns": [{"blocks": []}, {"blocks": [{"footer": {"address": "x"}}]}]}}]}`, "blocks[0].columns.columns[1].blocks[0]"},
		{`{"blocks": [{"divider": {}}]} x`, ""},
		{fmt.Sprintf(`{"blocks": [%s{"divider": {}}]}`, strings.Repeat(`{"divider": {}},`, layout.MaxBlocks)), "blocks"},
	} {
		d, faults := layout.Parse(c.source)
		require.Nil(t, d, "%.60s", c.source)
		require.Equal(t, c.path, faults[0].Path, "%.60s: %s", c.source, faults[0].Message)
	}
}
