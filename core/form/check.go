package form

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// The bounds of a form.
const (
	maxFields  = 50
	maxText    = 5000
	maxOptions = 200
	maxAnswer  = 1000
	maxLong    = 10_000
)

var keyForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

var fieldTypes = []FieldType{Text, LongText, Email, Phone, Number, Date, Choice, Checkbox, Hidden}

// check refuses a definition that cannot be shown; purposes are those that there are.
func (d *Definition) check(purposes func(string) bool) *core.Error {
	switch {
	case strings.TrimSpace(d.Title) == "" || len(d.Title) > 200:
		return core.Errorf(core.Invalid, "TITLE", "give the form a title of at most 200 bytes").At("title")
	case len(d.Intro) > maxText || len(d.Thanks) > maxText || len(d.Submit) > 100:
		return core.Errorf(core.Invalid, "TEXT", "a text has at most %d bytes, a button 100", maxText).At("intro")
	case len(d.Locale) < 2 || len(d.Locale) > 35:
		return core.Errorf(core.Invalid, "LOCALE", "say in which language the texts are, such as de or en-GB").At("locale")
	case len(d.Fields) == 0 || len(d.Fields) > maxFields:
		return core.Errorf(core.Invalid, "FIELDS", "a form has 1 to %d fields", maxFields).At("fields")
	case len(d.Consents) > 20 || len(d.Blocks) > 20:
		return core.Errorf(core.Invalid, "TOO_MANY", "a form has at most 20 consents and 20 blocks").At("consents")
	case d.MinSeconds < 0 || d.MinSeconds > 60:
		return core.Errorf(core.Invalid, "MIN_SECONDS", "a person takes 0 to 60 seconds at least").At("minSeconds")
	}
	if d.GatedURL != "" {
		if u, err := url.Parse(d.GatedURL); err != nil || u.Scheme != "https" || u.Host == "" || len(d.GatedURL) > 2000 {
			return core.Errorf(core.Invalid, "GATED_URL", "what is behind the form is an https URL").At("gatedUrl")
		}
	}
	seen := map[string]bool{}
	names := false
	for i := range d.Fields {
		f := &d.Fields[i]
		if err := f.check(); err != nil {
			return err.At("fields", strconv.Itoa(i))
		}
		if seen[f.Key] {
			return core.Errorf(core.Invalid, "FIELD_KEY", "two fields have one key; give each its own").At("fields", strconv.Itoa(i), "key")
		}
		seen[f.Key] = true
		names = names || f.Required && (f.Type == Email || f.Type == Phone)
	}
	if !names {
		return core.Errorf(core.Invalid, "NOBODY", "a form needs a required field of type EMAIL or PHONE: it says who wrote").At("fields")
	}
	for i := range d.Consents {
		c := &d.Consents[i]
		switch {
		case !keyForm.MatchString(c.Key) || seen[c.Key]:
			return core.Errorf(core.Invalid, "FIELD_KEY", "a consent has a key of its own: a letter and up to 63 letters, digits, _ and -").At("consents", strconv.Itoa(i), "key")
		case strings.TrimSpace(c.Text) == "" || len(c.Text) > maxText:
			return core.Errorf(core.Invalid, "CONSENT_TEXT", "say what is agreed to, in at most %d bytes", maxText).At("consents", strconv.Itoa(i), "text")
		case !purposes(c.Purpose):
			return core.Errorf(core.Invalid, "PURPOSE", "there is no purpose with this key that is in use").At("consents", strconv.Itoa(i), "purpose")
		}
		seen[c.Key] = true
	}
	for i, b := range d.Blocks {
		if strings.TrimSpace(b.Text) == "" || len(b.Text) > maxText {
			return core.Errorf(core.Invalid, "TEXT", "a block has a text of at most %d bytes", maxText).At("blocks", strconv.Itoa(i), "text")
		}
		if _, err := b.compile(); err != nil {
			return core.AsError(err).At("blocks", strconv.Itoa(i), "where")
		}
	}
	return nil
}

func (f *Field) check() *core.Error {
	switch {
	case !keyForm.MatchString(f.Key) || f.Key == honeypot:
		return core.Errorf(core.Invalid, "FIELD_KEY", "a field's key is a letter and up to 63 letters, digits, _ and -; %q is taken", honeypot).At("key")
	case !slices.Contains(fieldTypes, f.Type):
		return core.Errorf(core.Invalid, "FIELD_TYPE", "there is no such type of field").At("type")
	case f.Type != Hidden && (strings.TrimSpace(f.Label) == "" || len(f.Label) > 500):
		return core.Errorf(core.Invalid, "LABEL", "give the field a label of at most 500 bytes").At("label")
	case (f.Type == Choice) != (len(f.Options) > 0) || len(f.Options) > maxOptions:
		return core.Errorf(core.Invalid, "OPTIONS", "a CHOICE has 1 to %d options, other fields none", maxOptions).At("options")
	case f.Value != "" && f.Type != Hidden || len(f.Value) > maxAnswer:
		return core.Errorf(core.Invalid, "VALUE", "only a HIDDEN field has a value of its own, of at most %d bytes", maxAnswer).At("value")
	case f.MaxLength < 0 || f.MaxLength > maxLong:
		return core.Errorf(core.Invalid, "MAX_LENGTH", "an answer has at most %d bytes", maxLong).At("maxLength")
	case len(f.Trait) > 200 || f.Trait == "" && f.Prefill:
		return core.Errorf(core.Invalid, "TRAIT", "the path of a trait has at most 200 bytes, and what is filled in comes from one").At("trait")
	case f.Type == Email && f.Trait != "email" || f.Type == Phone && f.Trait != "phone":
		return core.Errorf(core.Invalid, "TRAIT", "an EMAIL is written to the trait email, a PHONE to phone: they say who wrote").At("trait")
	}
	return nil
}

// compile prepares the condition of a block; nil for none. It asks for traits alone.
func (b *Block) compile() (*condition.Program, error) {
	if b.Where == "" {
		return nil, nil
	}
	n, err := condition.ParseJSON([]byte(b.Where))
	if err != nil {
		return nil, err
	}
	p, err := condition.Compile(n, condition.Zone{})
	if err != nil {
		return nil, err
	}
	if needs := p.Needs(); len(needs.Ledgers)+len(needs.Objects)+len(needs.Segments)+len(needs.Consents) > 0 {
		return nil, core.Errorf(core.Invalid, "BLOCK_CONDITION", "a block asks for traits")
	}
	return p, nil
}

// checkOrigins refuses what is no origin of pages.
func checkOrigins(origins []string) *core.Error {
	if len(origins) > 50 {
		return core.Errorf(core.Invalid, "ORIGINS", "name at most 50 origins").At("origins")
	}
	for i, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != o {
			return core.Errorf(core.Invalid, "ORIGINS", "an origin is a scheme and a host: https://shop.example").At("origins", strconv.Itoa(i))
		}
	}
	return nil
}
