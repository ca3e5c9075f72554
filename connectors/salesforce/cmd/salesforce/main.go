// Command salesforce is the connector for Salesforce.
package main

import (
	"github.com/headwater-cdp/headwater/connectors/salesforce"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func main() { sdk.Serve(salesforce.Connector{}) }
