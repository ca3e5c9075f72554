package core

import "slices"

// Category says what kind of personal data a field holds. The empty category is
// the same as Unclassified: what nobody has looked at is treated as secret.
type Category string

// The categories.
const (
	None         Category = "NONE"
	IdentifierID Category = "IDENTIFIER"
	Contact      Category = "CONTACT"
	Demographic  Category = "DEMOGRAPHIC"
	Behaviour    Category = "BEHAVIOUR"
	Transaction  Category = "TRANSACTION"
	Location     Category = "LOCATION"
	Device       Category = "DEVICE"
	Inferred     Category = "INFERRED"
	Consent      Category = "CONSENT"
	FreeText     Category = "FREE_TEXT"
	Special      Category = "SPECIAL"
	Unclassified Category = "UNCLASSIFIED"
)

// Categories lists them all, in the order of the schema.
var Categories = []Category{
	None, IdentifierID, Contact, Demographic, Behaviour, Transaction, Location,
	Device, Inferred, Consent, FreeText, Special, Unclassified,
}

// Valid reports whether c is one of Categories.
func (c Category) Valid() bool { return slices.Contains(Categories, c) }
