package library

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

// The channels.
const (
	Email   = "EMAIL"
	SMS     = "SMS"
	Push    = "PUSH"
	WebChat = "WEB_CHAT"
	InApp   = "IN_APP"
	Webhook = "WEBHOOK"
)

// Channels lists them.
var Channels = []string{Email, SMS, Push, WebChat, InApp, Webhook}

// Families are what templates are for.
var Families = []string{"NURTURE", "ONBOARDING", "REENGAGEMENT", "POST_SALE", "TRANSACTIONAL", "OTHER"}

// The limits of what is kept.
const (
	MaxContent   = 1 << 20 // bytes of a draft, all languages together
	MaxLocales   = 40
	MaxTemplates = 5000 // of a workspace
	MaxBlocks    = 1000
	MaxTags      = 20
)

// Content is what a template says, in all its languages.
type Content struct {
	Default string          `bson:"default"`  // the locale of last resort: "en"
	Locales map[string]Text `bson:"locales"`  // by locale: "ro-RO", "ro"
	Skips   bool            `bson:"skipSend"` // a message is not sent when something is missing that has no fallback
}

// Text is what a template says in one language. Which fields count depends on the
// channel; all are Liquid but Layout, whose texts are.
type Text struct {
	Subject   string `bson:"subject,omitempty"`   // EMAIL
	Preheader string `bson:"preheader,omitempty"` // EMAIL: what inboxes show after the subject
	FromName  string `bson:"fromName,omitempty"`  // EMAIL
	HTML      string `bson:"html,omitempty"`      // EMAIL, WEB_CHAT, IN_APP
	Layout    string `bson:"layout,omitempty"`    // EMAIL, instead of HTML: the JSON of a core/layout document
	Text      string `bson:"text,omitempty"`      // all; of EMAIL made from the HTML when it is empty; of WEBHOOK the JSON that is sent
	Title     string `bson:"title,omitempty"`     // PUSH, WEB_CHAT, IN_APP
	URL       string `bson:"url,omitempty"`       // PUSH, IN_APP: where it leads
}

// fieldsOf lists the fields of a channel; the first is required, or for EMAIL subject
// and one of html and layout.
var fieldsOf = map[string][]string{
	Email:   {"subject", "preheader", "fromName", "html", "layout", "text"},
	SMS:     {"text"},
	Push:    {"title", "text", "url"},
	WebChat: {"text", "html", "title"},
	InApp:   {"title", "html", "text", "url"},
	Webhook: {"text"},
}

// field returns a field by its name.
func (t *Text) field(name string) *string {
	switch name {
	case "subject":
		return &t.Subject
	case "preheader":
		return &t.Preheader
	case "fromName":
		return &t.FromName
	case "html":
		return &t.HTML
	case "layout":
		return &t.Layout
	case "text":
		return &t.Text
	case "title":
		return &t.Title
	}
	return &t.URL
}

var allFields = []string{"subject", "preheader", "fromName", "html", "layout", "text", "title", "url"}

var localeForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`)

// check tells what is wrong with the form of a content.
func (c *Content) check(channel string) []*core.Error {
	var faults []*core.Error
	fault := func(reason, message string, path ...string) {
		faults = append(faults, invalid(reason, "%s", message).At(path...))
	}
	if len(c.Locales) == 0 || len(c.Locales) > MaxLocales {
		fault("LOCALES", fmt.Sprintf("a template says something in 1 to %d languages", MaxLocales), "locales")
		return faults
	}
	if _, ok := c.Locales[c.Default]; !ok {
		fault("DEFAULT_LOCALE", "the default locale must be one of those that the template has", "defaultLocale")
	}
	size := 0
	for _, locale := range slices.Sorted(maps.Keys(c.Locales)) {
		if !localeForm.MatchString(locale) {
			fault("LOCALE", "a locale is a language and, if need be, a script and a region: ro, ro-RO, zh-Hant-TW", "locales", locale)
		}
		t := c.Locales[locale]
		for _, f := range allFields {
			v := *t.field(f)
			size += len(v)
			if v != "" && !slices.Contains(fieldsOf[channel], f) {
				fault("FIELD", fmt.Sprintf("a template for %s has no %s; it has %s", channel, f, strings.Join(fieldsOf[channel], ", ")), "locales", locale, f)
			}
		}
		first := fieldsOf[channel][0]
		if strings.TrimSpace(*t.field(first)) == "" && !(channel == WebChat && t.HTML != "") {
			fault("REQUIRED", fmt.Sprintf("a template for %s needs a %s", channel, first), "locales", locale, first)
		}
		if channel == Email && (t.HTML == "") == (t.Layout == "") {
			fault("REQUIRED", "a template for EMAIL needs either html or layout", "locales", locale, "html")
		}
	}
	if size > MaxContent {
		fault("TEMPLATE_SIZE", fmt.Sprintf("all languages together have at most %d bytes", MaxContent), "locales")
	}
	return faults
}

// chain returns the locales that serve a person who reads locale, best first:
// ro-RO, ro, the default.
func (c *Content) chain(locale string) []string {
	var out []string
	for l := tidyLocale(locale); l != ""; {
		out = append(out, l)
		i := strings.LastIndexByte(l, '-')
		if i < 0 {
			break
		}
		l = l[:i]
	}
	return append(out, c.Default)
}

// Pinned is a block as a template holds it.
type Pinned struct {
	Version int64  `bson:"version"`
	Kind    string `bson:"kind"`
	Source  string `bson:"source"`
}

// hashOf returns the hash, hex, of all that a version says and how.
func hashOf(channel string, c *Content, blocks map[string]Pinned) string {
	raw, _ := json.Marshal([]any{1, channel, c.Default, c.Skips, c.Locales, blocks}) // maps are written in the order of their keys
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func invalid(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, reason, format, args...)
}

// tidyLocale writes a locale in its usual form: ro_ro is ro-RO.
func tidyLocale(s string) string {
	parts := strings.Split(strings.ReplaceAll(s, "_", "-"), "-")
	for i, p := range parts {
		switch {
		case i == 0:
			parts[i] = strings.ToLower(p)
		case len(p) == 4:
			parts[i] = strings.ToUpper(p[:1]) + strings.ToLower(p[1:])
		default:
			parts[i] = strings.ToUpper(p)
		}
	}
	return strings.Join(parts, "-")
}
