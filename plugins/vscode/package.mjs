// Checks the types, bundles, and packs: node package.mjs [FOLDER] writes FOLDER/kvmdbg-VERSION.vsix (default: build/vscode).
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { zip } from './zip.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? join(here, '../../build/vscode'));
const read = (path) => readFileSync(join(here, path), 'utf8');
const about = JSON.parse(read('package.json'));
const escaped = (text) => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);

const types = { json: 'application/json', js: 'application/javascript', md: 'text/markdown', png: 'image/png', txt: 'text/plain', vsixmanifest: 'text/xml' };

const content_types = `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
${Object.entries(types).map(([ending, type]) => `  <Default Extension=".${ending}" ContentType="${type}"/>`).join('\n')}
</Types>
`;

const manifest = `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${about.name}" Version="${about.version}" Publisher="${about.publisher}"/>
    <DisplayName>${escaped(about.displayName)}</DisplayName>
    <Description xml:space="preserve">${escaped(about.description)}</Description>
    <Tags>${escaped(about.keywords.join(','))}</Tags>
    <Categories>${escaped(about.categories.join(','))}</Categories>
    <GalleryFlags>Public</GalleryFlags>
    <Properties>
      <Property Id="Microsoft.VisualStudio.Code.Engine" Value="${escaped(about.engines.vscode)}"/>
      <Property Id="Microsoft.VisualStudio.Code.ExtensionKind" Value="${about.extensionKind.join(',')}"/>
    </Properties>
    <License>extension/LICENSE.txt</License>
    <Icon>extension/${about.icon}</Icon>
  </Metadata>
  <Installation>
    <InstallationTarget Id="Microsoft.VisualStudio.Code"/>
  </Installation>
  <Dependencies/>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.Details" Path="extension/README.md" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.License" Path="extension/LICENSE.txt" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Icons.Default" Path="extension/${about.icon}" Addressable="true"/>
  </Assets>
</PackageManifest>
`;

execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), '-p', here], { stdio: 'inherit' });
const bundle = await build({
  entryPoints: [join(here, 'src/extension.ts')], bundle: true, write: false, platform: 'node', format: 'cjs',
  target: 'node20', external: ['vscode', 'bufferutil', 'utf-8-validate'], legalComments: 'none',
});
const { devDependencies, scripts, ...shipped } = about;
const path = join(folder, `${about.name}-${about.version}.vsix`);
mkdirSync(folder, { recursive: true });
writeFileSync(path, zip([
  ['extension.vsixmanifest', manifest],
  ['[Content_Types].xml', content_types],
  ['extension/package.json', JSON.stringify(shipped, null, 2)],
  ['extension/README.md', read('README.md')],
  [`extension/${about.icon}`, readFileSync(join(here, about.icon))],
  ['extension/LICENSE.txt', read('../../LICENSE')],
  ['extension/dist/extension.js', bundle.outputFiles[0].contents],
  ['extension/dist/ws.LICENSE.txt', read('node_modules/ws/LICENSE')],
]));
console.log(path);
