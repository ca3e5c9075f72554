package core

import "context"

// Effect is what becomes of something that an actor asks to read or to do.
type Effect string

// The effects.
const (
	Allow Effect = "ALLOW"
	Mask  Effect = "MASK" // of data: a pseudonym or a part of the value stands for it
	Deny  Effect = "DENY"
)

// MaskForm is what stands for a masked value.
type MaskForm string

// The forms.
const (
	Pseudonym MaskForm = "PSEUDONYM" // a keyed pseudonym: equal values have equal ones
	Partial   MaskForm = "PARTIAL"   // enough to recognise the value by: "a•••@example.com"
)

// Why something is hidden, as Withheld tells it.
const (
	WithheldRole         = "ROLE"         // no role of the actor allows it
	WithheldPurpose      = "PURPOSE"      // the purpose of the request does not allow it
	WithheldConsent      = "CONSENT"      // the person has not agreed
	WithheldUnclassified = "UNCLASSIFIED" // nobody has said what it holds
	WithheldReason       = "REASON"       // the request does not say why it reads this
)

// Withheld is something that is hidden, whole or in part, and why.
type Withheld struct {
	Path   string // where it stands: "traits.email", "identifiers.phone", "eventCount"
	Reason string // one of the Withheld constants
}

// Decision is an answer of the policy. The zero Decision denies.
type Decision struct {
	Effect   Effect
	Form     MaskForm // of MASK
	Withheld string   // why it is not ALLOW: WithheldRole, WithheldPurpose or WithheldUnclassified
	Rule     string   // the rule that decided, for people: "marketer read CONTACT for *"; "" when none did
}

// Allowed reports whether the decision is ALLOW.
func (d Decision) Allowed() bool { return d.Effect == Allow }

// Hidden reports whether nothing may be shown at all.
func (d Decision) Hidden() bool { return d.Effect != Allow && d.Effect != Mask }

// View is everything that the policy says of one actor under one purpose, by one
// revision of the rules. It does not change.
type View struct {
	Revision    int64
	Purpose     string                // key of the purpose that it was made for; "" for the system itself
	Data        map[Category]Decision // reading data of a category; filtering, sorting and counting by it need ALLOW
	Permissions map[string]Decision   // doing things: the permissions of core/access
}

// Reads returns the decision on reading data of a category. The empty category is
// Unclassified; NONE is always allowed; what is not listed is denied.
func (v *View) Reads(c Category) Decision {
	if c == None {
		return Decision{Effect: Allow}
	}
	if c == "" {
		c = Unclassified
	}
	if v == nil {
		return Decision{Effect: Deny, Withheld: WithheldRole}
	}
	d, ok := v.Data[c]
	if !ok {
		return Decision{Effect: Deny, Withheld: WithheldRole}
	}
	return d
}

// Permits returns the decision on doing something. What is not listed is denied.
func (v *View) Permits(permission string) Decision {
	if v == nil {
		return Decision{Effect: Deny, Withheld: WithheldRole}
	}
	d, ok := v.Permissions[permission]
	if !ok {
		return Decision{Effect: Deny, Withheld: WithheldRole}
	}
	return d
}

// Decider tells what one actor may do as of now: asked again after a rule, a role or
// a key was revoked it gives another view. It is cheap to ask.
type Decider interface {
	// View returns the present view. An error denies everything.
	View(ctx context.Context) (*View, error)
}

// Whose is a person whom something leads to, and whether an actor may see them.
type Whose struct {
	Profile string // its id; "" where the name is nobody's
	Seen    bool
}
