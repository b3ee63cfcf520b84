// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// TestInCollector has the resources of the own telemetry of two Collectors.
func TestInCollector(t *testing.T) {
	collector := func(id string) pcommon.Resource {
		r := pcommon.NewResource()
		r.Attributes().PutStr("service.instance.id", id)
		return r
	}
	one, two := component.MustNewID("verifyyou_funnel"), component.MustNewIDWithName("verifyyou_funnel", "two")

	id := InCollector(collector("c1"), one)
	assert.Equal(t, "ecc8e973-34e6-5bd2-af25-7019c72d748a", id, "of the namespace that the semantic conventions give")
	assert.Equal(t, id, InCollector(collector("c1"), one))
	assert.NotEqual(t, id, InCollector(collector("c2"), one), "another process, on the same host too")
	assert.NotEqual(t, id, InCollector(collector("c1"), two), "another connector of the same process")

	for name, without := range map[string]pcommon.Resource{"none": pcommon.NewResource(), "empty": collector("")} {
		id := InCollector(without, one)
		assert.NotEqual(t, id, InCollector(without, one), name)
		parsed, err := uuid.Parse(id)
		require.NoError(t, err, name)
		assert.EqualValues(t, 4, parsed.Version(), name)
	}
}
