package salesforce

import "strings"

// field is one column of an object, as describe tells of it.
type field struct {
	name, label, kind string
	length            int
	required          bool // on insert
	readOnly          bool
	external          bool // an external id, unique
	picklist          []string
	to                string // the object a reference points to
}

func (f field) custom() bool { return strings.HasSuffix(f.name, "__c") }

// object is one type of records.
type object struct {
	name, label, plural string
	prefix              string // the first three characters of its ids
	fields              []field
	byName              map[string]field // by lower-case name
}

// field finds a column; the vendor does not mind the case of names.
func (o *object) field(name string) (field, bool) {
	f, ok := o.byName[strings.ToLower(name)]
	return f, ok
}

func text(name, label string, length int) field {
	return field{name: name, label: label, kind: "string", length: length}
}

func must(f field) field {
	f.required = true
	return f
}

func plain(name, label, kind string) field { return field{name: name, label: label, kind: kind} }

func choice(name, label string, values ...string) field {
	return field{name: name, label: label, kind: "picklist", length: 255, picklist: values}
}

func reference(name, label, to string) field {
	return field{name: name, label: label, kind: "reference", length: 18, to: to}
}

// system fields are on every object and nobody's to write.
var system = []field{
	{name: "Id", label: "Record ID", kind: "id", length: 18, readOnly: true},
	{name: "IsDeleted", label: "Deleted", kind: "boolean", readOnly: true},
	{name: "CreatedDate", label: "Created Date", kind: "datetime", readOnly: true},
	{name: "LastModifiedDate", label: "Last Modified Date", kind: "datetime", readOnly: true},
	{name: "SystemModstamp", label: "System Modstamp", kind: "datetime", readOnly: true},
}

// externalID is on every object too: what an integration adds first.
var externalID = field{name: "Headwater_Id__c", label: "Headwater Id", kind: "string", length: 64, external: true}

func newObject(name, label, plural, prefix string, fields ...field) *object {
	o := &object{name: name, label: label, plural: plural, prefix: prefix, byName: map[string]field{}}
	o.fields = append(append(append(o.fields, system...), fields...), externalID)
	for _, f := range o.fields {
		o.byName[strings.ToLower(f.name)] = f
	}
	return o
}

// person fields are alike on leads and contacts.
var person = []field{
	text("FirstName", "First Name", 40),
	must(text("LastName", "Last Name", 80)),
	{name: "Name", label: "Full Name", kind: "string", length: 121, readOnly: true},
	plain("Email", "Email", "email"),
	plain("Phone", "Phone", "phone"),
	plain("MobilePhone", "Mobile Phone", "phone"),
	text("Title", "Title", 128),
	choice("LeadSource", "Lead Source", "Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"),
	plain("HasOptedOutOfEmail", "Email Opt Out", "boolean"),
	plain("DoNotCall", "Do Not Call", "boolean"),
	plain("Description", "Description", "textarea"),
}

// objects are the types of the organisation: four that everybody has and one of
// the customer's own.
func objects() []*object {
	merged := func(to string) field {
		return field{name: "MasterRecordId", label: "Master Record ID", kind: "reference", length: 18, readOnly: true, to: to}
	}
	return []*object{
		newObject("Account", "Account", "Accounts", "001",
			must(text("Name", "Account Name", 255)),
			plain("Phone", "Account Phone", "phone"),
			plain("Website", "Website", "url"),
			choice("Industry", "Industry", "Retail", "Finance", "Healthcare", "Technology"),
			plain("NumberOfEmployees", "Employees", "int"),
			plain("AnnualRevenue", "Annual Revenue", "currency"),
			text("BillingCity", "Billing City", 40),
			text("BillingCountry", "Billing Country", 80),
			plain("Description", "Account Description", "textarea"),
			merged("Account")),
		newObject("Contact", "Contact", "Contacts", "003", append(person[:len(person):len(person)],
			reference("AccountId", "Account ID", "Account"),
			plain("Birthdate", "Birthdate", "date"),
			text("MailingCity", "Mailing City", 40),
			text("MailingCountry", "Mailing Country", 80),
			plain("Loyalty_Points__c", "Loyalty Points", "double"),
			merged("Contact"))...),
		newObject("Lead", "Lead", "Leads", "00Q", append(person[:len(person):len(person)],
			must(text("Company", "Company", 255)),
			choice("Status", "Status", "Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"),
			field{name: "IsConverted", label: "Converted", kind: "boolean", readOnly: true},
			field{name: "ConvertedContactId", label: "Converted Contact ID", kind: "reference", length: 18, readOnly: true, to: "Contact"},
			merged("Lead"))...),
		newObject("Opportunity", "Opportunity", "Opportunities", "006",
			must(text("Name", "Name", 120)),
			reference("AccountId", "Account ID", "Account"),
			reference("ContactId", "Contact ID", "Contact"),
			must(choice("StageName", "Stage", "Prospecting", "Qualification", "Proposal/Price Quote", "Closed Won", "Closed Lost")),
			must(plain("CloseDate", "Close Date", "date")),
			plain("Amount", "Amount", "currency"),
			plain("Probability", "Probability (%)", "percent")),
		newObject("Subscription__c", "Subscription", "Subscriptions", "a00",
			text("Name", "Subscription Name", 80),
			reference("Contact__c", "Contact", "Contact"),
			choice("Plan__c", "Plan", "Basic", "Plus", "Premium"),
			plain("Monthly_Price__c", "Monthly Price", "currency"),
			plain("Starts_On__c", "Starts On", "date"),
			plain("Is_Active__c", "Is Active", "boolean")),
	}
}

// describe is the object as /sobjects lists it.
func (o *object) describe(base string) map[string]any {
	return map[string]any{
		"name": o.name, "label": o.label, "labelPlural": o.plural, "keyPrefix": o.prefix,
		"custom": strings.HasSuffix(o.name, "__c"), "customSetting": false, "createable": true, "updateable": true,
		"deletable": true, "undeletable": true, "queryable": true, "retrieveable": true, "searchable": true,
		"replicateable": true, "mergeable": o.mergeable(), "triggerable": true, "layoutable": true,
		"activateable": false, "deprecatedAndHidden": false, "feedEnabled": true, "hasSubtypes": false, "isSubtype": false,
		"urls": map[string]string{
			"sobject":     base + "/sobjects/" + o.name,
			"describe":    base + "/sobjects/" + o.name + "/describe",
			"rowTemplate": base + "/sobjects/" + o.name + "/{ID}",
		},
	}
}

func (o *object) mergeable() bool {
	return o.name == "Account" || o.name == "Contact" || o.name == "Lead"
}

// describeFields is the object as its own describe tells it: with its fields.
func (o *object) describeFields(base string) map[string]any {
	d := o.describe(base)
	fields := make([]map[string]any, 0, len(o.fields))
	for _, f := range o.fields {
		fields = append(fields, f.describe())
	}
	d["fields"] = fields
	d["childRelationships"] = []any{}
	d["recordTypeInfos"] = []any{}
	return d
}

// soap is the kind's name in the other API, which describe tells too.
var soap = map[string]string{
	"id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "datetime": "xsd:dateTime", "date": "xsd:date",
	"int": "xsd:int", "double": "xsd:double", "currency": "xsd:double", "percent": "xsd:double",
}

func (f field) describe() map[string]any {
	kind := soap[f.kind]
	if kind == "" {
		kind = "xsd:string"
	}
	values := make([]map[string]any, 0, len(f.picklist))
	for _, v := range f.picklist {
		values = append(values, map[string]any{"active": true, "defaultValue": false, "label": v, "value": v, "validFor": nil})
	}
	to := []string{}
	var relation any
	if f.to != "" {
		to = append(to, f.to)
		relation = strings.TrimSuffix(f.name, "Id")
		if f.custom() {
			relation = strings.TrimSuffix(f.name, "__c") + "__r"
		}
	}
	return map[string]any{
		"name": f.name, "label": f.label, "type": f.kind, "soapType": kind, "length": f.length, "byteLength": 3 * f.length,
		"custom": f.custom(), "createable": !f.readOnly, "updateable": !f.readOnly, "nillable": !f.required && f.kind != "boolean" && f.kind != "id",
		"defaultedOnCreate": f.kind == "boolean" || f.readOnly, "externalId": f.external, "unique": f.external,
		"idLookup": f.external || f.kind == "id", "caseSensitive": false, "filterable": true, "sortable": f.kind != "textarea", "groupable": true,
		"restrictedPicklist": f.kind == "picklist", "picklistValues": values, "referenceTo": to, "relationshipName": relation,
		"calculated": false, "deprecatedAndHidden": false, "inlineHelpText": nil, "precision": 0, "scale": 0,
	}
}
