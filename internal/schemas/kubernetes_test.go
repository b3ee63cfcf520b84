// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package schemas

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/json"
)

// manifests is the objects in examples/kubernetes, one a file.
type manifests struct {
	configMap   corev1.ConfigMap
	ingress     networkingv1.Ingress
	service     corev1.Service
	statefulSet appsv1.StatefulSet
}

func (m *manifests) byFile() map[string]any {
	return map[string]any{
		"configmap.yaml":   &m.configMap,
		"ingress.yaml":     &m.ingress,
		"service.yaml":     &m.service,
		"statefulset.yaml": &m.statefulSet,
	}
}

func readManifest(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples/kubernetes", name))
	require.NoError(t, err)
	return string(text)
}

// readManifests fails on what is not in the schema of Kubernetes.
func readManifests(t *testing.T) *manifests {
	t.Helper()
	m := &manifests{}
	for name, object := range m.byFile() {
		require.NoError(t, unmarshal(readManifest(t, name), object), name)
	}
	return m
}

// unmarshal reads a manifest as the API server does: letter case counts, and nothing may be unknown or given twice.
func unmarshal(text string, object any) error {
	var content map[string]any
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		return err
	}
	converted, err := stdjson.Marshal(content)
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(converted, object)
	return errors.Join(append(unknown, err)...)
}

func (m *manifests) collector(t *testing.T) corev1.Container {
	t.Helper()
	containers := m.statefulSet.Spec.Template.Spec.Containers
	require.Len(t, containers, 1)
	return containers[0]
}

func TestManifestsAreInKubernetesSchema(t *testing.T) {
	m := readManifests(t)
	files, err := filepath.Glob("../../examples/kubernetes/*.yaml")
	require.NoError(t, err)
	assert.Len(t, files, len(m.byFile()), "a manifest is not checked")

	kinds := map[string]string{}
	for name := range m.byFile() {
		var meta struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
		}
		require.NoError(t, yaml.Unmarshal([]byte(readManifest(t, name)), &meta))
		kinds[name] = meta.APIVersion + " " + meta.Kind
	}
	assert.Equal(t, map[string]string{
		"configmap.yaml":   "v1 ConfigMap",
		"ingress.yaml":     "networking.k8s.io/v1 Ingress",
		"service.yaml":     "v1 Service",
		"statefulset.yaml": "apps/v1 StatefulSet",
	}, kinds)
}

func TestWhatIsNotInKubernetesSchemaIsFound(t *testing.T) {
	for name, change := range map[string][2]string{
		"unknown field": {"serviceName: verifyyou", "service: verifyyou"},
		"letter case":   {"serviceName: verifyyou", "servicename: verifyyou"},
		"wrong place":   {"      automountServiceAccountToken:", "      readOnlyRootFilesystem: true\n      automountServiceAccountToken:"},
		"wrong type":    {"replicas: 1", "replicas: one"},
		"given twice":   {"replicas: 1", "replicas: 1\n  replicas: 2"},
	} {
		t.Run(name, func(t *testing.T) {
			text := readManifest(t, "statefulset.yaml")
			require.Contains(t, text, change[0])
			changed := strings.Replace(text, change[0], change[1], 1)
			assert.Error(t, unmarshal(changed, &appsv1.StatefulSet{}))
		})
	}
}

// TestManifestsFindEachOther follows a request from the ingress to the container.
func TestManifestsFindEachOther(t *testing.T) {
	m := readManifests(t)
	backend := m.ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service
	assert.Equal(t, m.service.Name, backend.Name)
	assert.Equal(t, m.service.Name, m.statefulSet.Spec.ServiceName)
	assert.Equal(t, m.service.Spec.Ports[0].Name, backend.Port.Name)
	assert.Equal(t, m.statefulSet.Spec.Template.Labels, m.service.Spec.Selector)
	assert.Equal(t, m.statefulSet.Spec.Template.Labels, m.statefulSet.Spec.Selector.MatchLabels)

	ports := map[string]int32{}
	for _, port := range m.collector(t).Ports {
		ports[port.Name] = port.ContainerPort
	}
	assert.Contains(t, ports, m.service.Spec.Ports[0].TargetPort.String())
	assert.Contains(t, ports, m.collector(t).ReadinessProbe.HTTPGet.Port.String())
	assert.Contains(t, ports, m.collector(t).LivenessProbe.HTTPGet.Port.String())
	for _, port := range ports {
		assert.Regexp(t, fmt.Sprintf(`\b%d\b`, port), m.configMap.Data["collector.yaml"])
	}
}

// TestVolumesAreWhereTheCollectorLooks checks the folders in its configuration and on its command line.
func TestVolumesAreWhereTheCollectorLooks(t *testing.T) {
	m := readManifests(t)
	spec := m.statefulSet.Spec
	volumes := map[string]bool{spec.VolumeClaimTemplates[0].Name: true}
	for _, volume := range spec.Template.Spec.Volumes {
		volumes[volume.Name] = true
	}
	mounts := map[string]bool{}
	for _, mount := range m.collector(t).VolumeMounts {
		assert.True(t, volumes[mount.Name], mount.Name)
		mounts[mount.MountPath] = true
	}

	config := m.configMap.Data["collector.yaml"]
	secrets := regexp.MustCompile(`signing_secrets_file: (.*)`).FindStringSubmatch(config)[1]
	storage := regexp.MustCompile(`directory: (.*)`).FindStringSubmatch(config)[1]
	argument := strings.TrimPrefix(m.collector(t).Args[0], "--config=")
	assert.True(t, mounts[filepath.Dir(secrets)], secrets)
	assert.True(t, mounts[storage], storage)
	assert.True(t, mounts[filepath.Dir(argument)], argument)
	assert.Contains(t, m.configMap.Data, filepath.Base(argument))
}

// TestVariablesAreSet checks that the container has each variable that the configuration needs.
func TestVariablesAreSet(t *testing.T) {
	m := readManifests(t)
	set := map[string]bool{}
	for _, variable := range m.collector(t).Env {
		set[variable.Name] = true
	}
	used := regexp.MustCompile(`\$\{env:(\w+)\}`).FindAllStringSubmatch(m.configMap.Data["collector.yaml"], -1)
	require.NotEmpty(t, used)
	for _, variable := range used {
		assert.True(t, set[variable[1]], variable[1])
	}
}
