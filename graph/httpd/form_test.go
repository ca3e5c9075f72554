package httpd

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/form"
	"github.com/headwater-cdp/headwater/core/store"
)

// oneForm is a form that takes what it is sent.
type oneForm struct {
	f    *form.Form
	sent []form.Sent
}

func (o *oneForm) Find(_ context.Context, id string) (string, *form.Form, error) {
	if id != o.f.PublicID() {
		return "", nil, core.Errorf(core.NotFound, "FORM", "there is no form at this address")
	}
	return "ws_1", o.f, nil
}

func (o *oneForm) Open(_ context.Context, _, known string) (*form.View, error) {
	v := &form.View{Form: o.f, Asked: o.f.Published, Token: "opened", Values: map[string]string{}, Known: known}
	if known == "ana" {
		v.Values["name"] = `Ana "<b>"`
	}
	return v, nil
}

func (o *oneForm) Submit(_ context.Context, _ string, in form.Sent) (*form.Taken, error) {
	o.sent = append(o.sent, in)
	if in.Values["email"] == "" {
		return nil, form.Faults{core.Errorf(core.Invalid, "REQUIRED", "this field must be filled in").At("values", "email")}
	}
	return &form.Taken{Thanks: "Thank you"}, nil
}

func TestForms(t *testing.T) {
	o := &oneForm{f: &form.Form{
		Meta: store.Meta{ID: "ws_1/frm_1"}, Origins: []string{"https://shop.example"},
		Published: &form.Definition{Title: "News", Locale: "en", Fields: []form.Field{
			{Key: "email", Label: "E-mail", Type: form.Email, Required: true}, {Key: "name", Label: "Name", Type: form.Text},
		}, Consents: []form.Consent{{Key: "news", Text: "Send me news."}}},
	}}
	srv := &Server{o: Options{Forms: o}, visits: newVisits()}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, kind, ok := formPath(r.URL.Path)
		require.True(t, ok)
		srv.form(w, r, id, kind)
	})
	ask := func(method, path, origin, kind, body string) (*http.Response, string) {
		t.Helper()
		r := httptest.NewRequest(method, "http://hw.example"+path, strings.NewReader(body))
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		text, err := io.ReadAll(w.Result().Body)
		require.NoError(t, err)
		return w.Result(), string(text)
	}
	const page, urlencoded = "/f/ws_1.frm_1", "application/x-www-form-urlencoded"

	res, text := ask("GET", page+"?v=ana", "", "", "")
	require.Equal(t, 200, res.StatusCode)
	require.Contains(t, text, `value="Ana &#34;&lt;b&gt;&#34;"`)
	require.Contains(t, text, `<label for="f-email">E-mail *</label>`)
	require.NotContains(t, text, "<script")
	require.NotRegexp(t, `\son\w+=`, text, "no handler stands in the markup")
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'none'")
	res, _ = ask("GET", "/f/ws_1.frm_2", "", "", "")
	require.Equal(t, 404, res.StatusCode)

	res, text = ask("POST", page, "http://hw.example", urlencoded, url.Values{"token": {"opened"}, "name": {"<i>"}, "consent": {"news"}}.Encode())
	require.Equal(t, 400, res.StatusCode)
	require.Contains(t, text, "this field must be filled in")
	require.Contains(t, text, `value="&lt;i&gt;"`, "what was written stays")
	require.Equal(t, form.Sent{Values: map[string]string{"name": "<i>"}, Consents: map[string]bool{"news": true}, Token: "opened"}, o.sent[0])
	res, text = ask("POST", page, "", urlencoded, "token=opened&email=a%40example.com")
	require.Equal(t, 200, res.StatusCode)
	require.Contains(t, text, "Thank you")

	res, text = ask("POST", page, "https://shop.example", "application/json", `{"values":{"email":"a@example.com"},"token":"opened","id":"x"}`)
	require.Equal(t, 200, res.StatusCode)
	require.JSONEq(t, `{"ok":true,"thanks":"Thank you","gatedUrl":"","pending":[]}`, text)
	require.Equal(t, "https://shop.example", res.Header.Get("Access-Control-Allow-Origin"))
	res, text = ask("POST", page, "https://shop.example", "application/json", `{"values":{}}`)
	require.Equal(t, 400, res.StatusCode)
	require.JSONEq(t, `{"ok":false,"errors":[{"reason":"REQUIRED","message":"this field must be filled in","path":["values","email"]}]}`, text)
	sent := len(o.sent)
	res, _ = ask("POST", page, "https://evil.example", "application/json", `{"values":{"email":"a@example.com"}}`)
	require.Equal(t, 403, res.StatusCode)
	res, _ = ask("POST", page, "", "application/json", `{"values":{"email":"`+strings.Repeat("x", maxForm)+`"}}`)
	require.Equal(t, 400, res.StatusCode)
	require.Len(t, o.sent, sent)
	res, _ = ask("OPTIONS", page, "https://shop.example", "", "")
	require.Equal(t, 204, res.StatusCode)
	res, text = ask("GET", page+".json", "https://shop.example", "", "")
	require.Equal(t, 200, res.StatusCode)
	require.Contains(t, text, `"token":"opened"`)
	res, text = ask("GET", page+".js", "", "", "")
	require.Contains(t, res.Header.Get("Content-Type"), "javascript")
	require.NotContains(t, text, "innerHTML")
	for range 70 {
		res, _ = ask("GET", page, "", "", "")
	}
	require.Equal(t, 429, res.StatusCode)
}
