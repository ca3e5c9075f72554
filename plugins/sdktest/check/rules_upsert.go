package check

import (
	"fmt"
	"reflect"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// mostItems bounds a big batch for connectors that leave the size to the host.
const mostItems = 1000

var upsertRules = []Rule{
	{
		Name:   "upsert/writes",
		Must:   "each record that is written is at the vendor, with its text, and its result says so",
		Remedy: "return a Result for each item, in their order, with the vendor's id",
		Run: func(x *Exam) {
			v, c := x.upserting()
			items := x.items(0, 5)
			results := x.upsert(c, items)
			for i, r := range results {
				x.written(i, items[i], r)
			}
			if len(v.Records()) != 5 {
				x.Errorf("the vendor has %d records of 5", len(v.Records()))
			}
			// The second time they are found.
			for i := range items {
				items[i].Key += "-again"
				if v.Text != "" {
					items[i].Fields[v.Text] = fmt.Sprint("changed ", i)
				}
			}
			for i, r := range x.upsert(c, items) {
				x.written(i, items[i], r)
				if results[i].ID != "" && r.ID != "" && r.ID != results[i].ID {
					x.Errorf("item %d became another record when it was written again", i)
				}
			}
		},
	},
	{
		Name:   "upsert/twice",
		Must:   "writing the same items twice, with the same keys, leaves one record of each",
		Remedy: "find the record by Match before it is made, or let the vendor do so",
		Run: func(x *Exam) {
			x.can(sdk.DedupesUpserts)
			v, c := x.upserting()
			items := x.items(0, 7)
			x.upsert(c, items)
			before := v.Records()
			x.upsert(c, items)
			if after := v.Records(); !reflect.DeepEqual(before, after) {
				x.Errorf("the vendor has %d records after the first time and %d after the second, or others", len(before), len(after))
			}
		},
	},
	{
		Name:   "upsert/partial",
		Must:   "an item that the vendor refuses fails alone, as INVALID_RECORD",
		Remedy: "match the vendor's errors to items, and put them into Result.Fault",
		Run: func(x *Exam) {
			v, c := x.upserting()
			x.needs("BadItem", v.BadItem != nil)
			items := x.items(0, 5)
			bad := v.BadItem()
			bad.Key = "bad"
			items[2] = bad
			results, err := c.Upsert(x.ctx, sdk.Batch{Stream: v.Stream, Items: items})
			if err != nil {
				x.Failf("the whole batch failed: %v", err)
			}
			for i, r := range results {
				switch {
				case i != 2:
					x.written(i, items[i], r)
				case r.Fault == nil:
					x.Errorf("the refused item counts as written")
				default:
					x.refuses("the refused item", r.Fault, sdk.FaultInvalidRecord)
				}
			}
		},
	},
	{
		Name:   "upsert/big",
		Must:   "as many items as Limits.BatchItems allows are written in one batch, results in their order",
		Remedy: "cut a batch into the vendor's sizes yourself, or lower Limits.BatchItems",
		Run: func(x *Exam) {
			s := x.spec()
			v, c := x.upserting()
			n := s.Limits.BatchItems
			if n == 0 || n > mostItems {
				n = mostItems
			}
			items := x.items(0, n)
			results := x.upsert(c, items)
			for i := range results {
				x.written(i, items[i], results[i])
			}
			if got := len(v.Records()); got != n {
				x.Errorf("the vendor has %d records of %d", got, n)
			}
			x.upsert(c, nil) // an empty one is fine too
		},
	},
	{
		Name:   "upsert/unicode",
		Must:   "text of every kind arrives as it is",
		Remedy: "encode as UTF-8 and leave texts alone",
		Run: func(x *Exam) {
			v, c := x.upserting()
			x.needs("Text", v.Text != "")
			items := x.items(0, len(oddTexts))
			for i := range items {
				items[i].Fields[v.Text] = oddTexts[i]
			}
			x.upsert(c, items)
			seen := map[any]bool{}
			for _, fields := range v.Records() {
				seen[fields[v.Text]] = true
			}
			for _, s := range oddTexts {
				if !seen[s] {
					x.Errorf("%q did not arrive", s)
				}
			}
		},
	},
	{
		Name:   "upsert/delete",
		Must:   "an item with Delete is gone afterwards, and deleting it again does no harm",
		Remedy: "take \"no such record\" for done, as DELETED or RECORD_GONE",
		Run: func(x *Exam) {
			x.can(sdk.CanDelete)
			v, c := x.upserting()
			items := x.items(0, 3)
			results := x.upsert(c, items)
			gone := items[1]
			gone.ID, gone.Key, gone.Delete, gone.Fields = results[1].ID, "gone", true, nil
			if r := x.upsert(c, []sdk.Item{gone})[0]; r.Fault != nil {
				x.Errorf("deleting: %v", r.Fault)
			}
			if n := len(v.Records()); n != 2 {
				x.Errorf("the vendor has %d records after one of 3 was deleted", n)
			}
			if r := x.upsert(c, []sdk.Item{gone})[0]; r.Fault != nil {
				x.refuses("deleting again", r.Fault, sdk.FaultRecordGone)
			}
		},
	},
	{
		Name:   "erase/forgets",
		Must:   "somebody who is erased is gone at the vendor, the receipt says so, and somebody unknown is done",
		Remedy: "return Done only when the vendor has deleted; until then Retry",
		Run:    erase,
	},
}

// upserting skips connectors and vendors that cannot, and opens.
func (x *Exam) upserting() (*Vendor, *sdk.RemoteConnection) {
	x.can(sdk.CanUpsert)
	v := x.Vendor()
	x.needs("Item", v.Item != nil && v.Stream != "")
	x.needs("Records", v.Records != nil)
	_, c := x.open()
	return v, c
}

func (x *Exam) items(from, n int) []sdk.Item {
	items := make([]sdk.Item, n)
	for i := range items {
		items[i] = x.vendor.Item(from + i)
		if items[i].Key == "" {
			items[i].Key = fmt.Sprint("kit-", from+i)
		}
		if items[i].Fields == nil {
			items[i].Fields = map[string]any{}
		}
	}
	return items
}

func (x *Exam) upsert(c *sdk.RemoteConnection, items []sdk.Item) []sdk.Result {
	results, err := c.Upsert(x.ctx, sdk.Batch{Stream: x.vendor.Stream, Items: items})
	if err != nil {
		x.Failf("Upsert of %d items: %v", len(items), err)
	}
	return results
}

func (x *Exam) written(i int, item sdk.Item, r sdk.Result) {
	if r.Fault != nil {
		x.Errorf("item %d: %v", i, r.Fault)
		return
	}
	if r.Outcome == "" {
		x.Errorf("item %d has no outcome", i)
	}
	if r.Outcome == sdk.Accepted || r.ID == "" || x.vendor.Text == "" {
		return
	}
	fields, ok := x.vendor.Records()[r.ID]
	if !ok {
		x.Errorf("item %d has an id that the vendor does not know", i)
		return
	}
	if want, ok := item.Fields[x.vendor.Text]; ok && fields[x.vendor.Text] != want {
		x.Errorf("item %d has the result of another: results are not in the order of the items", i)
	}
}

func erase(x *Exam) {
	x.can(sdk.CanErase)
	v := x.Vendor()
	x.needs("Subject", v.Subject != nil)
	x.needs("Seed", v.Seed != nil && v.Records != nil)
	ids := v.Seed(3)
	_, c := x.open()
	subject := v.Subject(ids[1])
	subject.Key = "kit-erasure"
	if receipt := x.eraseUntilDone(c, subject); !receipt.Known {
		x.Errorf("the receipt does not say that the vendor knew them")
	} else if receipt.Erased.IsZero() {
		x.Errorf("the receipt does not say when")
	}
	left := v.Records()
	if _, there := left[ids[1]]; there {
		x.Errorf("the vendor still has them")
	}
	if len(left) != 2 {
		x.Errorf("the vendor has %d records after one of 3 was erased", len(left))
	}
	x.eraseUntilDone(c, subject) // asked again it is still done
	nobody := sdk.Subject{Key: "kit-nobody", Identifiers: map[string]string{"email": "nobody-at-all@example.org"}}
	if receipt := x.eraseUntilDone(c, nobody); receipt.Known {
		x.Errorf("the vendor claims to have known somebody whom it never saw")
	}
}

func (x *Exam) eraseUntilDone(c *sdk.RemoteConnection, s sdk.Subject) sdk.EraseReceipt {
	for range 20 {
		receipt, err := c.Erase(x.ctx, s)
		if err != nil {
			x.Failf("Erase: %v", err)
		}
		if receipt.Done {
			return receipt
		}
		if receipt.Retry <= 0 {
			x.Failf("Erase is not done and does not say when to ask again")
		}
		x.wait(receipt.Retry)
	}
	x.Failf("Erase was not done after 20 times")
	return sdk.EraseReceipt{}
}
