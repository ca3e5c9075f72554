package demo

import (
	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/object"
)

// The keys of the shop's own types.
const (
	TypeSubscription = "subscription"
	TypeVisit        = "store_visit"
)

var stores = []string{"bucharest", "berlin", "paris", "london", "milano"}

// scale is how many decimals an amount of euros has.
var scale = 2

// types are what the shop keeps beside the events. Each field has its category, so
// that who may not see what people spend does not see it here either.
var types = []object.TypeInput{
	{
		Key: TypeSubscription, Name: "Subscription", Plural: "Subscriptions",
		Description: "The coffee club: beans by post until it is cancelled.", DisplayField: "plan",
		Fields: []object.FieldInput{
			{Key: "plan", Label: "Plan", Type: object.Enum, Required: true, Category: core.Transaction,
				Constraints: object.Constraints{Values: []string{"monthly", "quarterly", "yearly"}}},
			{Key: "status", Label: "Status", Type: object.Enum, Required: true, Category: core.Transaction,
				Constraints: object.Constraints{Values: []string{"trialing", "active", "past_due", "cancelled"}}},
			{Key: "price", Label: "Price", Description: "For one period of the plan.", Type: object.Money, Category: core.Transaction,
				Constraints: object.Constraints{Min: "0", Scale: &scale}},
			{Key: "seats", Label: "Seats", Description: "How many of a household share it.", Type: object.Integer, Default: 1,
				Category: core.Transaction, Constraints: object.Constraints{Min: "1", Max: "6"}},
			{Key: "started_at", Label: "Started", Type: object.Date, Category: core.Transaction},
			{Key: "renews_at", Label: "Renews", Description: "When the next period is paid; none once cancelled.", Type: object.Date,
				Category: core.Transaction},
		},
		Relations: []object.RelationInput{{Key: "holder", Label: "Holder"}},
	},
	{
		Key: TypeVisit, Name: "Store visit", Plural: "Store visits", Description: "Somebody who showed the card in one of the stores.",
		Fields: []object.FieldInput{
			{Key: "store", Label: "Store", Type: object.Enum, Required: true, Category: core.Location,
				Constraints: object.Constraints{Values: stores}},
			{Key: "at", Label: "When", Type: object.DateTime, Required: true, Category: core.Behaviour},
			{Key: "spent", Label: "Spent", Type: object.Money, Category: core.Transaction, Constraints: object.Constraints{Min: "0", Scale: &scale}},
			{Key: "notes", Label: "Staff notes", Type: object.Text, Category: core.FreeText},
		},
		Relations: []object.RelationInput{{Key: "visitor", Label: "Visitor"}},
	},
}
