package hubspot

import (
	"encoding/json"
	"strings"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// said are the words for errors about one value. The vendor's own would quote it.
var said = map[string]string{
	"INVALID_EMAIL":            "the value is not an e-mail address as HubSpot takes it",
	"INVALID_OPTION":           "the value is not one of the property's options: add it there, or map it to one that is",
	"INVALID_LONG":             "the value is not a number",
	"INVALID_INTEGER":          "the value is not a whole number",
	"INVALID_DATE":             "the value is not a date",
	"READ_ONLY_VALUE":          "the property cannot be written: do not map it",
	"CONFLICTING_UNIQUE_VALUE": "another record has this value of a unique property: merge the two in HubSpot",
	"PROPERTY_VALUE_TOO_LONG":  "the value is longer than a property can be: cut it in the field map",
}

// detail is what the vendor tells of one property, as JSON within the message.
type detail struct {
	Error string `json:"error"`
	Name  string `json:"name"`
}

// detail finds the property and the code of an error, wherever the vendor put them.
func (e *apiError) detail() detail {
	for _, one := range e.Errors {
		if names := one.Context["propertyName"]; len(names) > 0 {
			return detail{one.Code, names[0]}
		}
	}
	if _, text, ok := strings.Cut(e.Message, "Property values were not valid: "); ok {
		var list []detail
		if json.Unmarshal([]byte(text), &list) == nil && len(list) > 0 {
			return list[0]
		}
	}
	return detail{}
}

// of is what an error about a record means.
func (e *apiError) of() *sdk.Fault {
	d := e.detail()
	if !propertyName.MatchString(d.Name) {
		d.Name = ""
	}
	switch {
	case d.Error == "PROPERTY_DOESNT_EXIST":
		return sdk.SchemaChanged(d.Name, "HubSpot has no such property on this object: discover again, or make the property").Because(d.Error)
	case said[d.Error] != "":
		return sdk.InvalidRecord(d.Name, said[d.Error]).Because(d.Error)
	case e.Category == "OBJECT_NOT_FOUND":
		return sdk.RecordGone("HubSpot has no record with this id any more").Because("NOT_FOUND")
	case e.Category == "CONFLICT":
		return sdk.InvalidRecord("email", "another contact has this e-mail address: merge the two in HubSpot, or match by e-mail").Because("CONFLICT")
	case strings.Contains(e.Message, "Unable to infer object type"):
		return sdk.SchemaChanged("", "HubSpot has no such object: discover again").Because("UNKNOWN_STREAM")
	case strings.Contains(e.Message, "required properties were not set"):
		return sdk.InvalidRecord("", "a required property is empty: map something to it").Because("REQUIRED_PROPERTY")
	case strings.Contains(e.Message, "is not a unique property"):
		return noKey("")
	}
	return sdk.InvalidRecord(d.Name, "HubSpot refuses the record").Because("REFUSED")
}

// noKey says that records cannot be found by a property.
func noKey(property string) *sdk.Fault {
	return &sdk.Fault{Kind: sdk.FaultInvalidConfig, Origin: sdk.FromConfig, Path: property, Reason: "NO_UNIQUE_PROPERTY",
		Message: "make this property on the object at HubSpot, single-line text that requires unique values, or match by one that does"}
}
