// The fixed parts of the HTML page. The data stands between them, as the constant `data`.
#pragma once

namespace mx::analyzer {

inline constexpr const char* kHtmlHead =
    R"html(<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mx analyze</title><style>
body{font:14px sans-serif;margin:1.5em;color:#222}h1{font-size:1.3em}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.2em .6em;border-bottom:1px solid #ddd;vertical-align:top}tr.f{cursor:pointer}tr.f:hover{background:#f4f4f4}
.changed{background:#ffe9a8}.added{background:#c6f0c2}.removed{background:#f6c3c3}.moved{background:#cfe3ff}.tag{padding:0 .4em;border-radius:3px}
pre{margin:0;font-size:12px;white-space:pre-wrap}.code td{font:12px monospace;border:0;padding:0 .5em;width:50%}.d1{background:#fbe3e3}.d2{background:#e3f7e1}
input{padding:.4em;width:24em;margin:.6em 0}svg{border:1px solid #ccc;width:100%;height:560px}.small{color:#666;font-size:12px}
svg text{font:10px sans-serif;pointer-events:none}
</style></head><body>)html";

inline constexpr const char* kHtmlBody =
    R"html(<h1>What changed</h1><p id="files" class="small"></p><p id="counts"></p>
<input id="search" placeholder="search functions"><table><thead><tr><th>function</th><th>status</th><th>instructions</th><th>old &rarr; new</th><th>new &rarr; old</th></tr></thead><tbody id="rows"></tbody></table>
<h1>Call graph around the changes</h1><p class="small" id="limited"></p><svg id="graph"></svg>
<script>
const $=id=>document.getElementById(id),el=(t,c,x)=>{const e=document.createElement(t);if(c)e.className=c;if(x!==undefined)e.textContent=x;return e};
$('files').textContent=data.old+'  →  '+data.new;
for(const k in data.counts){const s=el('span','tag '+k,data.counts[k]+' '+k);$('counts').append(s,' ')}
const say=v=>v?v.possible+(v.reasons.length?': '+v.reasons.join('; '):''):'';
function show(row,f){if(row.nextSibling&&row.nextSibling.className==='open'){row.nextSibling.remove();return}
 const tr=el('tr','open'),td=el('td');td.colSpan=5;tr.append(td);
 if(!f.code)td.textContent='left out to keep the page small: mx analyze --function '+f.name;
 else{const t=el('table','code');for(const l of f.code){const r=el('tr',l[0]?'d'+l[0]:'');r.append(el('td','',l[2]&&l[1]+'  '+l[2]),el('td','',l[4]&&l[3]+'  '+l[4]));t.append(r)}td.append(t)}
 row.after(tr)}
function list(){const q=$('search').value.toLowerCase();$('rows').textContent='';
 for(const f of data.functions){if(!f.name.toLowerCase().includes(q))continue;
  const r=el('tr','f');r.append(el('td','',f.name));const s=el('td');s.append(el('span','tag '+f.status,f.status));
  r.append(s,el('td','',f.old+' → '+f.new+(f.status==='changed'?', '+f.common+' in common':'')),el('td','small',say(f.o2n)),el('td','small',say(f.n2o)));
  r.onclick=()=>show(r,f);$('rows').append(r)}}
$('search').oninput=list;list();
if(data.graph.limited)$('limited').textContent='The picture shows the first '+data.graph.nodes.length+' functions.';
const colour={changed:'#e0a800',added:'#3a9d3a',removed:'#c33',moved:'#36c',identical:'#bbb'},svg=d3.select('#graph');
const width=$('graph').clientWidth,height=560,force=d3.layout.force().nodes(data.graph.nodes).links(data.graph.links).size([width,height]).charge(-90).linkDistance(50);
const view=svg.append('g');svg.call(d3.behavior.zoom().on('zoom',()=>view.attr('transform','translate('+d3.event.translate+')scale('+d3.event.scale+')')));
const link=view.selectAll('line').data(data.graph.links).enter().append('line').attr('stroke',l=>l.kind==='added'?'#3a9d3a':l.kind==='removed'?'#c33':'#ddd');
const node=view.selectAll('g').data(data.graph.nodes).enter().append('g');
node.append('circle').attr('r',n=>n.status==='identical'?3:6).attr('fill',n=>colour[n.status]).append('title').text(n=>n.name);
node.append('text').attr('x',8).attr('y',3).text(n=>n.name);
force.on('tick',()=>{link.attr('x1',l=>l.source.x).attr('y1',l=>l.source.y).attr('x2',l=>l.target.x).attr('y2',l=>l.target.y);node.attr('transform',n=>'translate('+n.x+','+n.y+')')});
force.start();
</script></body></html>
)html";

}  // namespace mx::analyzer
