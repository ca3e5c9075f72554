package form

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// FieldType says what is written into a field.
type FieldType string

// The types of fields.
const (
	Text     FieldType = "TEXT"
	LongText FieldType = "LONG_TEXT"
	Email    FieldType = "EMAIL"
	Phone    FieldType = "PHONE" // with a country code: +40…
	Number   FieldType = "NUMBER"
	Date     FieldType = "DATE" // 2026-03-01
	Choice   FieldType = "CHOICE"
	Checkbox FieldType = "CHECKBOX"
	Hidden   FieldType = "HIDDEN" // its value is the definition's
)

// Field is one question.
type Field struct {
	Key       string    `bson:"key" json:"key"`
	Label     string    `bson:"label" json:"label"`
	Type      FieldType `bson:"type" json:"type"`
	Trait     string    `bson:"trait,omitempty" json:"trait,omitempty"` // path of the trait that it is written to; "": it is in the event alone
	Required  bool      `bson:"required,omitempty" json:"required,omitempty"`
	Options   []string  `bson:"options,omitempty" json:"options,omitempty"`     // of CHOICE
	MaxLength int       `bson:"maxLength,omitempty" json:"maxLength,omitempty"` // bytes; 0 is the type's own bound
	Value     string    `bson:"value,omitempty" json:"value,omitempty"`         // of HIDDEN
	Prefill   bool      `bson:"prefill,omitempty" json:"prefill,omitempty"`     // filled in for a visitor who came by a signed link
}

// Consent is a box that is ticked to agree.
type Consent struct {
	Key      string `bson:"key" json:"key"`
	Purpose  string `bson:"purpose" json:"purpose"`
	Channel  string `bson:"channel,omitempty" json:"channel,omitempty"` // "" is every channel
	Text     string `bson:"text" json:"text"`                           // what is agreed to: its hash is the evidence
	Required bool   `bson:"required,omitempty" json:"required,omitempty"`
}

// Block is a text that is shown to those who meet a condition.
type Block struct {
	Where string `bson:"where" json:"where"` // a condition on traits, as JSON; "" for everybody
	Text  string `bson:"text" json:"text"`
}

// Definition is what a form asks.
type Definition struct {
	Title    string    `bson:"title" json:"title"`
	Intro    string    `bson:"intro,omitempty" json:"intro,omitempty"`
	Submit   string    `bson:"submit,omitempty" json:"submit,omitempty"` // the button
	Thanks   string    `bson:"thanks,omitempty" json:"thanks,omitempty"`
	Locale   string    `bson:"locale" json:"locale"` // language of the texts: "de"
	Fields   []Field   `bson:"fields" json:"fields"`
	Consents []Consent `bson:"consents,omitempty" json:"consents,omitempty"`
	Blocks   []Block   `bson:"blocks,omitempty" json:"blocks,omitempty"`
	// GatedURL is told to whoever has submitted the form, and to nobody else.
	GatedURL string `bson:"gatedUrl,omitempty" json:"gatedUrl,omitempty"`
	// ConfirmTemplate is the template of the e-mail that asks to confirm where a purpose has
	// double opt-in: it shows confirm.url. "" is a plain one in the form's language.
	ConfirmTemplate string `bson:"confirmTemplate,omitempty" json:"confirmTemplate,omitempty"`
	// MinSeconds is how long a person takes at least; sooner a robot wrote it.
	MinSeconds int `bson:"minSeconds,omitempty" json:"minSeconds,omitempty"`
}

// Form is a form of a workspace.
type Form struct {
	store.Meta `bson:",inline"` // key: workspace/frm_…
	Name       string           `bson:"name"`
	Draft      Definition       `bson:"draft"`
	Published  *Definition      `bson:"published,omitempty"`
	Version    int64            `bson:"version"`           // of what is published; 0: nothing
	Origins    []string         `bson:"origins,omitempty"` // whose pages may embed it: "https://shop.example"
	CreatedAt  time.Time        `bson:"createdAt"`
	UpdatedAt  time.Time        `bson:"updatedAt"`
	Sum        []byte           `bson:"sum"` // of what was asked for, to tell a repetition
}

// FormID returns the form's id, frm_….
func (f *Form) FormID() string { return store.Rest(f.ID) }

// PublicID names the form in URLs: it is found without a key.
func (f *Form) PublicID() string { return store.WorkspaceOf(f.ID) + "." + f.FormID() }

// Path is before the public id in the URL of a form.
const Path = "/f/"

// version is a definition as it was published.
type version struct {
	store.Meta `bson:",inline"` // key: workspace/frm_…/NNNNNN
	At         time.Time        `bson:"at"`
	By         string           `bson:"by"`
	Definition Definition       `bson:"definition"`
}

// Submission is one form that was submitted.
type Submission struct {
	store.Meta `bson:",inline"` // key: workspace/sbm_…
	Form       string           `bson:"form"`
	Version    int64            `bson:"version"`
	Profile    string           `bson:"profile"`
	Event      string           `bson:"event"` // evt_…, which holds the answers
	At         time.Time        `bson:"at"`
	Sum        []byte           `bson:"sum"`
}

// SubmissionID returns the submission's id, sbm_….
func (s *Submission) SubmissionID() string { return store.Rest(s.ID) }

// The collections.
var (
	Forms = store.Declare[Form](store.Spec{
		Name: "forms", Reach: store.ReachNobody, // what members of the workspace wrote
		Data: map[string]core.Category{"draft": core.None, "published": core.None},
	})
	versions = store.Declare[version](store.Spec{
		Name: "form_versions", Reach: store.ReachNobody, Data: map[string]core.Category{"definition": core.None},
	})
	Submissions = store.Declare[Submission](store.Spec{
		Name: "form_submissions", Subject: "profile",
		Data:    map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("profile").WithFewTies(), store.On("form", "-at")},
	})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{Forms.Spec, versions.Spec, Submissions.Spec, askeds.Spec}
}

// NameSubmitted is the name of the event of a submission. Its properties are form, the
// name of the form, version, submission, and answers.
const NameSubmitted = "Form Submitted"
