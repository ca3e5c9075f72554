package event

import (
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

// Default categories by the last element of a path, for names whose meaning the
// tracking protocol or common use fixes. What is not here is UNCLASSIFIED until a
// person looks at it: a wrong guess would show what should be hidden.
var (
	traitDefaults = byName(map[core.Category]string{
		core.IdentifierID: "id userId user_id username firstName first_name lastName last_name name fullName full_name",
		core.Contact:      "email phone mobile phoneNumber phone_number fax",
		core.Demographic:  "age birthday birthdate dateOfBirth gender title language locale employees industry company",
		core.Location:     "address street city state region country postalCode postal_code zip latitude longitude timezone",
		core.None:         "createdAt created_at",
		core.FreeText:     "description bio notes about",
		core.Behaviour:    "plan logins",
		core.Device:       "ip avatar userAgent",
	})
	propertyDefaults = byName(map[core.Category]string{
		core.Transaction: "order_id orderId checkout_id payment_id invoice_id total revenue subtotal tax shipping discount value currency products coupon payment_method refund amount",
		core.Behaviour: "product_id productId sku category price quantity variant brand position list_id list cart_id wishlist_id promotion_id creative " +
			"url path referrer title search query campaign keywords page screen tab step rating widget action label",
		core.Contact:      "email phone",
		core.IdentifierID: "name userId user_id username firstName first_name lastName last_name",
		core.Location:     "address street city state region country postalCode postal_code zip latitude longitude timezone",
		core.Device:       "ip userAgent user_agent device os browser",
		core.FreeText:     "message comment body review review_body text description notes",
	})
	// Under these the whole branch has one category.
	branches = map[string]core.Category{"address": core.Location, "location": core.Location, "device": core.Device, "company": core.Demographic}
	// The parts of an order's line are goods, whatever their name is elsewhere.
	lineDefaults = byName(map[core.Category]string{
		core.Behaviour:   "id name product_id productId sku category price quantity variant brand position url image_url imageUrl",
		core.Transaction: "coupon discount tax total currency",
	})
)

func byName(lists map[core.Category]string) map[string]core.Category {
	m := map[string]core.Category{}
	for c, names := range lists {
		for _, n := range strings.Fields(names) {
			m[strings.ToLower(n)] = c
		}
	}
	return m
}

// DefaultCategory returns the category that a field has until somebody decides:
// that of a well-known name, else UNCLASSIFIED.
func DefaultCategory(owner, path string) core.Category {
	first, rest, nested := strings.Cut(strings.ToLower(path), ".")
	last := first
	if nested {
		if c, ok := branches[first]; ok {
			return c
		}
		last = rest[strings.LastIndexByte(rest, '.')+1:]
		if first == "products" || first == "items" || first == "lines" {
			return known(lineDefaults, last)
		}
	}
	switch owner {
	case OwnerTrait:
		return known(traitDefaults, last)
	case NamePageViewed, NameScreenViewed:
		if path == "name" || path == "category" {
			return core.Behaviour // of the page, not of a person
		}
	}
	return known(propertyDefaults, last)
}

func known(m map[string]core.Category, name string) core.Category {
	if c, ok := m[name]; ok {
		return c
	}
	return core.Unclassified
}

// sampled reports whether values of a category may be shown as samples.
func sampled(c core.Category) bool {
	return c == core.None || c == core.Behaviour || c == core.Transaction
}

// Personal reports whether text may hold something of a person although its field's
// category does not: an address in a URL, a query string, a long number.
func Personal(text string) bool { return personal([]byte(text)) }

// personal reports whether text may hold something of a person although its
// field's category does not: an address in a URL, a query string, a long number.
func personal(text []byte) bool {
	digits := 0
	for _, c := range text {
		switch {
		case c == '@' || c == '?' || c == '%':
			return true
		case '0' <= c && c <= '9':
			if digits++; digits >= 7 {
				return true
			}
		case c == ' ' || c == '-' || c == '.' || c == '/':
			// a telephone number with its separators
		default:
			digits = 0
		}
	}
	return false
}
