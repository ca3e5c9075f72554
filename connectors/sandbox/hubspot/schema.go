package hubspot

import (
	"slices"
	"strings"
	"time"
)

// property is one field of an object type, in the form of /crm/v3/properties.
type property struct {
	Name           string   `json:"name"`
	Label          string   `json:"label"`
	Type           string   `json:"type"`
	FieldType      string   `json:"fieldType"`
	Description    string   `json:"description"`
	GroupName      string   `json:"groupName"`
	Options        []option `json:"options"`
	HasUniqueValue bool     `json:"hasUniqueValue"`
	Hidden         bool     `json:"hidden"`
	Calculated     bool     `json:"calculated"`
	Archived       bool     `json:"archived"`
	DisplayOrder   int      `json:"displayOrder"`
	HubspotDefined bool     `json:"hubspotDefined"`
	FormField      bool     `json:"formField"`
	Modification   struct {
		Archivable         bool `json:"archivable"`
		ReadOnlyDefinition bool `json:"readOnlyDefinition"`
		ReadOnlyValue      bool `json:"readOnlyValue"`
	} `json:"modificationMetadata"`
}

type option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

func prop(name, label, kind string) property {
	fields := map[string]string{"string": "text", "number": "number", "date": "date", "datetime": "date", "enumeration": "select", "bool": "booleancheckbox"}
	p := property{Name: name, Label: label, Type: kind, FieldType: fields[kind], HubspotDefined: true, FormField: true, Options: []option{}, DisplayOrder: -1}
	p.Modification.ReadOnlyDefinition = true
	return p
}

func choice(name, label string, values ...string) property {
	p := prop(name, label, "enumeration")
	for i, v := range values {
		p.Options = append(p.Options, option{Label: strings.ToUpper(v[:1]) + v[1:], Value: v, DisplayOrder: i})
	}
	return p
}

func unique(p property) property {
	p.HasUniqueValue = true
	return p
}

func readOnly(p property) property {
	p.Modification.ReadOnlyValue, p.FormField = true, false
	return p
}

// own is the property by which an integration knows its records again.
var own = unique(property{Name: "headwater_id", Label: "Headwater ID", Type: "string", FieldType: "text", Options: []option{}, DisplayOrder: -1})

// objectType is one type of records.
type objectType struct {
	id, singular, plural string
	changed              string // the property with the time of the last change
	properties           []property
	schema               *schema // of a custom type
}

func (o *objectType) property(name string) (property, bool) {
	i := slices.IndexFunc(o.properties, func(p property) bool { return p.Name == name && !p.Archived })
	if i < 0 {
		return property{}, false
	}
	return o.properties[i], true
}

func newType(id, singular, plural, changed, group string, properties ...property) *objectType {
	o := &objectType{id: id, singular: singular, plural: plural, changed: changed}
	o.properties = append(properties, own,
		readOnly(prop("hs_object_id", "Record ID", "number")),
		readOnly(prop("createdate", "Create Date", "datetime")),
		readOnly(prop(changed, "Last Modified Date", "datetime")),
		readOnly(prop("hs_merged_object_ids", "Merged record IDs", "enumeration")))
	for i := range o.properties {
		o.properties[i].GroupName = group
	}
	return o
}

// standard are the types that each account has, and one custom type.
func standard(now time.Time) []*objectType {
	subscription := newType("2-1001", "subscription", "p"+portal+"_subscription", "hs_lastmodifieddate", "subscription_information",
		prop("title", "Title", "string"), choice("plan", "Plan", "basic", "plus", "premium"),
		prop("monthly_price", "Monthly price", "number"), prop("starts_on", "Starts on", "date"), prop("is_active", "Is active", "bool"))
	subscription.schema = &schema{
		ID: "1001", ObjectTypeID: "2-1001", Name: "subscription", FullyQualifiedName: subscription.plural,
		Labels: labels{"Subscription", "Subscriptions"}, RequiredProperties: []string{"title"}, SearchableProperties: []string{"title"},
		PrimaryDisplayProperty: "title", SecondaryDisplayProperties: []string{}, Associations: []any{}, CreatedAt: stamp(now), UpdatedAt: stamp(now),
	}
	return []*objectType{
		newType("0-1", "contact", "contacts", "lastmodifieddate", "contactinformation",
			unique(prop("email", "Email", "string")), prop("firstname", "First Name", "string"), prop("lastname", "Last Name", "string"),
			prop("phone", "Phone Number", "string"), prop("mobilephone", "Mobile Phone Number", "string"), prop("company", "Company Name", "string"),
			prop("jobtitle", "Job Title", "string"), prop("city", "City", "string"), prop("country", "Country/Region", "string"),
			prop("date_of_birth", "Date of birth", "date"), prop("loyalty_points", "Loyalty points", "number"),
			choice("lifecyclestage", "Lifecycle Stage", "subscriber", "lead", "marketingqualifiedlead", "opportunity", "customer"),
			prop("hs_email_optout", "Unsubscribed from all email", "bool")),
		newType("0-2", "company", "companies", "hs_lastmodifieddate", "companyinformation",
			prop("name", "Company name", "string"), prop("domain", "Company Domain Name", "string"), prop("phone", "Phone Number", "string"),
			prop("city", "City", "string"), prop("country", "Country/Region", "string"), choice("industry", "Industry", "RETAIL", "BANKING", "HEALTH"),
			prop("numberofemployees", "Number of Employees", "number"), prop("annualrevenue", "Annual Revenue", "number")),
		newType("0-3", "deal", "deals", "hs_lastmodifieddate", "dealinformation",
			prop("dealname", "Deal Name", "string"), prop("amount", "Amount", "number"),
			choice("dealstage", "Deal Stage", "appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon", "closedlost"),
			choice("pipeline", "Pipeline", "default"), prop("closedate", "Close Date", "datetime")),
		subscription,
	}
}

type labels struct {
	Singular string `json:"singular"`
	Plural   string `json:"plural"`
}

// schema is a custom type as /crm-object-schemas tells of it.
type schema struct {
	ID                         string     `json:"id"`
	ObjectTypeID               string     `json:"objectTypeId"`
	Name                       string     `json:"name"`
	FullyQualifiedName         string     `json:"fullyQualifiedName"`
	Labels                     labels     `json:"labels"`
	RequiredProperties         []string   `json:"requiredProperties"`
	SearchableProperties       []string   `json:"searchableProperties"`
	PrimaryDisplayProperty     string     `json:"primaryDisplayProperty"`
	SecondaryDisplayProperties []string   `json:"secondaryDisplayProperties"`
	Properties                 []property `json:"properties"`
	Associations               []any      `json:"associations"`
	Archived                   bool       `json:"archived"`
	CreatedAt                  string     `json:"createdAt"`
	UpdatedAt                  string     `json:"updatedAt"`
}
