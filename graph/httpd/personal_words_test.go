package httpd

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/consent"
)

func TestLanguage(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "de": "de", "de-AT,de;q=0.9,en;q=0.8": "de", "it,ro;q=0.5,fr;q=0.7": "fr", "en;q=0.1, ro-RO": "ro", "RO": "ro", "*": "en",
		"de;q=0, fr;q=nonsense": "en", "zh-Hant": "en", ";;;,,q=": "en", "fr; q=0.2, de ;q=0.3": "de",
	} {
		r := httptest.NewRequest(http.MethodGet, "/p/x", nil)
		r.Header.Set("Accept-Language", header)
		require.Equal(t, want, language(r).Lang, header)
	}
}

// Every language says everything that English says, with as many places for values.
func TestWordsAreWhole(t *testing.T) {
	places := regexp.MustCompile(`%(\[\d\])?s`)
	en := reflect.ValueOf(wordsOf[0])
	for _, w := range wordsOf {
		v := reflect.ValueOf(w)
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			switch f := v.Field(i); f.Kind() {
			case reflect.String:
				require.NotEmpty(t, f.String(), "%s %s", w.Lang, name)
				require.Len(t, places.FindAllString(f.String(), -1), len(places.FindAllString(en.Field(i).String(), -1)), "%s %s", w.Lang, name)
			case reflect.Map:
				if name == "purposes" && w.Lang == "en" {
					continue
				}
				if name == "purposes" {
					require.Len(t, w.purposes, len(consent.Builtin()), w.Lang)
					continue
				}
				require.Equal(t, en.Field(i).Len(), f.Len(), "%s %s", w.Lang, name)
				for _, key := range en.Field(i).MapKeys() {
					require.NotEmpty(t, f.MapIndex(key).String(), "%s %s %s", w.Lang, name, key)
				}
			}
		}
	}
}

// in asks for a page in a language.
func (d *desk) in(lang, method, link, body string) (*http.Response, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, link, strings.NewReader(body))
	require.NoError(d.t, err)
	req.Header.Set("Accept-Language", lang)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", formType)
	}
	return d.answer(req)
}

var controls = regexp.MustCompile(`<(?:input|button)[^>]*>`)

// The page in each language is whole without a script: its form is plain HTML that the
// browser sends, and it asks nobody else for anything.
func TestPagesInTheLanguageOfTheReader(t *testing.T) {
	d := newDesk(t)
	link, err := d.consent.PreferencesLink(d.ctx, d.ws, d.ana, nil)
	require.NoError(t, err)
	leave, err := d.consent.UnsubscribeLink(d.ctx, d.ws, d.ana, consent.Marketing, consent.Email)
	require.NoError(t, err)
	for lang, texts := range map[string][]string{
		"en": {"Your preferences at Shop", "Telling people of offers and news.", "Unsubscribe"},
		"de": {"Ihre Einstellungen bei Shop", "Ihnen von Angeboten und Neuigkeiten berichten.", "„Werbung“"},
		"ro": {"Preferințele dumneavoastră la Shop", "A vă informa despre oferte și noutăți.", "Dezabonare"},
		"fr": {"Vos préférences chez Shop", "Vous informer d&#39;offres et de nouveautés.", "Se désabonner"},
	} {
		res, body := d.in(lang+"-XX, en;q=0.5", http.MethodGet, link.URL, "")
		require.Equal(t, http.StatusOK, res.StatusCode)
		d.safe(res, body)
		require.Equal(t, lang, res.Header.Get("Content-Language"))
		require.Equal(t, "Accept-Language", res.Header.Get("Vary"))
		require.Contains(t, body, `<html lang="`+lang+`">`)
		require.Contains(t, body, texts[0])
		require.Contains(t, body, texts[1])
		require.NotContains(t, body, "%!")
		require.Equal(t, strings.Count(body, `<input type="checkbox"`), strings.Count(body, `<label for="`))
		for _, c := range controls.FindAllString(body, -1) {
			require.NotRegexp(t, `\son[a-z]+=`, c, "nothing waits for a script")
		}
		_, body = d.in(lang, http.MethodGet, leave.URL, "")
		require.Contains(t, body, texts[2])
		require.NotContains(t, body, "%!")
		res, body = d.in(lang, http.MethodGet, link.URL+"x", "")
		require.Equal(t, http.StatusNotFound, res.StatusCode)
		d.safe(res, body)
		require.Contains(t, body, `<html lang="`+lang+`">`)
	}
	// What is sent is what was shown, whatever the browser asks for by now.
	form := url.Values{"action": {"save"}, "language": {"ro"}, "on": {"marketing|EMAIL", "analytics|", "security|"}, "had": {"analytics|", "security|"}}
	res, _ := d.in("de", http.MethodPost, link.URL, form.Encode())
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.True(t, d.allowed(consent.Email))
	page, err := d.consent.Entry(d.ctx, d.ws, d.lastEntry())
	require.NoError(t, err)
	require.Equal(t, "ro", page.Evidence.Lookup("locale").StringValue())
	res, body := d.in("de", http.MethodGet, d.url+res.Header.Get("Location"), "")
	require.Contains(t, body, "Ihre Auswahl ist gespeichert.")
	require.Contains(t, body, "Sie haben zugestimmt am <time")
	d.safe(res, body)
}
